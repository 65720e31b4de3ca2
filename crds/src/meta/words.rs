//! Finalizer, labels, annotations and their values: words that users and other tools write on objects.

/// The finalizer that every Flux kind carries; it has no group prefix.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// Annotation: any new value asks for a reconciliation now.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Annotation on a HelmRelease: same value as [`REQUESTED_AT`] forces an install or upgrade.
pub const FORCE_AT: &str = "reconcile.fluxcd.io/forceAt";
/// Annotation on a HelmRelease: same value as [`REQUESTED_AT`] resets the failure counters.
pub const RESET_AT: &str = "reconcile.fluxcd.io/resetAt";
/// Label on a ConfigMap or Secret: with the value [`ENABLED`], a change of it reconciles those that use it.
pub const WATCH: &str = "reconcile.fluxcd.io/watch";
/// Label: the shard that an object belongs to.
pub const SHARD_KEY: &str = "sharding.fluxcd.io/key";
/// Prefix of annotations that are copied to the metadata of the object's events.
pub const EVENT_PREFIX: &str = "event.toolkit.fluxcd.io/";

/// Label on an applied object: the name of the Kustomization that owns it.
pub const KUSTOMIZE_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label on an applied object: the namespace of the Kustomization that owns it.
pub const KUSTOMIZE_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
/// Label or annotation on an applied object: [`DISABLED`] neither applies nor prunes it.
pub const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Label or annotation on an applied object: how it is applied, see [`SSA_MERGE`] and its sisters.
pub const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
/// Label or annotation on an applied object: [`ENABLED`] recreates it when an immutable field changes.
pub const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
/// Label or annotation on an applied object: [`DISABLED`] never prunes it.
pub const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Label or annotation on an object: [`DISABLED`] leaves `${var}` in it alone.
pub const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// Annotation on an object: [`DISABLED`] leaves it encrypted.
pub const DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";
/// Annotation of early Flux v2 versions on applied objects; removed where it is found.
pub const CHECKSUM: &str = "kustomize.toolkit.fluxcd.io/checksum";
/// Event metadata: asks for a commit status even if nothing changed; its value is `update`.
pub const COMMIT_STATUS: &str = "kustomize.toolkit.fluxcd.io/commit_status";

/// Label on a released object: the name of the HelmRelease that owns it.
pub const HELM_NAME: &str = "helm.toolkit.fluxcd.io/name";
/// Label on a released object: the namespace of the HelmRelease that owns it.
pub const HELM_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";
/// Label or annotation on a released object: [`DISABLED`] excludes it from drift detection.
pub const DRIFT_DETECTION: &str = "helm.toolkit.fluxcd.io/driftDetection";

/// Value of a toggle; compared ignoring case.
pub const ENABLED: &str = "Enabled";
/// Value of a toggle; compared ignoring case.
pub const DISABLED: &str = "Disabled";
/// Value of [`SSA`]: keep the fields that other managers added; compared ignoring case.
pub const SSA_MERGE: &str = "Merge";
/// Value of [`SSA`]: leave the object alone once it exists; compared ignoring case.
pub const SSA_IF_NOT_PRESENT: &str = "IfNotPresent";
/// Value of [`SSA`]: leave the object alone; compared ignoring case.
pub const SSA_IGNORE: &str = "Ignore";

/// Annotation that `kubectl apply` leaves behind; removed from what is applied server-side.
pub const KUBECTL_LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotation of Flux v1 on applied objects; removed where it is found.
pub const FLUX1_CHECKSUM: &str = "fluxcd.io/sync-checksum";
/// Label of Flux v1 on applied objects; removed where it is found.
pub const FLUX1_GC_MARK: &str = "fluxcd.io/sync-gc-mark";
/// Field manager under which users keep fields that Flux shall not undo.
pub const FIELD_MANAGER_PRESERVED: &str = "flux-client-side-apply";
/// Annotation of OCI manifests: the revision of the source code that an artifact was made from.
pub const OCI_REVISION: &str = "org.opencontainers.image.revision";
/// Annotation of OCI manifests: the source code that an artifact was made from.
pub const OCI_SOURCE: &str = "org.opencontainers.image.source";
