//! Reasons of the conditions and events of HelmReleases, besides the common ones.

/// The chart was installed.
pub const INSTALL_SUCCEEDED: &str = "InstallSucceeded";
/// The chart could not be installed.
pub const INSTALL_FAILED: &str = "InstallFailed";
/// The release was upgraded.
pub const UPGRADE_SUCCEEDED: &str = "UpgradeSucceeded";
/// The release could not be upgraded.
pub const UPGRADE_FAILED: &str = "UpgradeFailed";
/// The release's tests passed.
pub const TEST_SUCCEEDED: &str = "TestSucceeded";
/// One of the release's tests failed.
pub const TEST_FAILED: &str = "TestFailed";
/// The release was rolled back.
pub const ROLLBACK_SUCCEEDED: &str = "RollbackSucceeded";
/// The release could not be rolled back.
pub const ROLLBACK_FAILED: &str = "RollbackFailed";
/// The release was uninstalled.
pub const UNINSTALL_SUCCEEDED: &str = "UninstallSucceeded";
/// The release could not be uninstalled.
pub const UNINSTALL_FAILED: &str = "UninstallFailed";

/// The chart cannot be had.
pub const ARTIFACT_FAILED: &str = "ArtifactFailed";
/// The chart's source is not ready.
pub const SOURCE_NOT_READY: &str = "SourceNotReady";
/// The values could not be put together.
pub const VALUES_ERROR: &str = "ValuesError";
/// The chart's version does not go with its artifact's revision.
pub const CHART_MUTATE_ERROR: &str = "ChartMutateError";
/// The cluster cannot be reached.
pub const REST_CLIENT_ERROR: &str = "RESTClientError";
/// Helm could not be set up.
pub const FACTORY_ERROR: &str = "FactoryError";
/// The storage of releases could not be set up.
pub const CONFIG_FACTORY_ERR: &str = "ConfigFactoryErr";
/// The means to wait for objects could not be set up.
pub const RESOURCE_MANAGER_ERROR: &str = "ResourceManagerError";
/// The state of the release could not be told.
pub const STATE_ERROR: &str = "StateError";
/// The attempt failed, and no better word is known.
pub const RECONCILE_ERROR: &str = "ReconcileError";
/// Waiting for health was given up for something newer.
pub const HEALTH_CHECK_CANCELED: &str = "HealthCheckCanceled";

/// The release's tests have not run yet.
pub const AWAITING_TESTS: &str = "AwaitingTests";
/// An interrupted action was found and its lock taken off.
pub const PENDING_RELEASE: &str = "PendingRelease";
/// All retries were used.
pub const RETRIES_EXCEEDED: &str = "RetriesExceeded";
/// There is no release to roll back to.
pub const MISSING_ROLLBACK_TARGET: &str = "MissingRollbackTarget";

/// The cluster is not as the release left it.
pub const DRIFT_DETECTED: &str = "DriftDetected";
/// The cluster is as the release left it.
pub const NO_DRIFT_DETECTED: &str = "NoDriftDetected";
/// Event: the cluster was put in line with the release.
pub const DRIFT_CORRECTED: &str = "DriftCorrected";
/// Event: the cluster could not be put in line with the release.
pub const DRIFT_CORRECTION_FAILED: &str = "DriftCorrectionFailed";

/// Event: the HelmChart was created.
pub const HELM_CHART_CREATED: &str = "HelmChartCreated";
/// Event: the HelmChart was changed.
pub const HELM_CHART_CONFIGURED: &str = "HelmChartConfigured";
/// Event: the HelmChart was deleted.
pub const HELM_CHART_DELETED: &str = "HelmChartDeleted";
/// Event: the HelmChart could not be brought in line.
pub const HELM_CHART_SYNC_ERR: &str = "HelmChartSyncErr";
/// Event: the inventory could not be made.
pub const INVENTORY_BUILD_FAILED: &str = "InventoryBuildFailed";
/// Event: whether the namespace exists could not be told.
pub const NAMESPACE_CHECK_SKIPPED: &str = "NamespaceCheckSkipped";
