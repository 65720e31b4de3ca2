//! I/O: which objects belong to a release.

use super::{
    job::{ActionError, Job},
    objects::{self, Item},
};
use ::apply::discovery::Discovery;
use crds::meta::{Inventory, InventoryEntry};
use helm::{Crd, release::Release};

/// The objects that belong to a release: those of its manifest, and the definitions of its chart.
pub async fn of(discovery: &Discovery, job: &Job, release: &Release) -> Option<Inventory> {
    let mut entries = Vec::new();
    let add = |items: &[Item], entries: &mut Vec<InventoryEntry>| {
        entries.extend(items.iter().map(|item| InventoryEntry {
            id: item.object.id().to_string(),
            v: item.object.version.clone(),
        }));
    };
    add(
        &objects::build(discovery, &release.manifest, &release.namespace)
            .await
            .ok()?,
        &mut entries,
    );
    for crd in definitions(job).unwrap_or_default() {
        for value in objects::parse(&String::from_utf8_lossy(&crd.data)).ok()? {
            let Ok(object) = ::apply::id::ObjectRef::of(&value) else {
                continue;
            };
            entries.push(InventoryEntry {
                id: object.id().to_string(),
                v: object.version,
            });
        }
    }
    Some(Inventory { entries })
}

/// The definitions in the folder `crds` of the chart and of its dependencies.
///
/// # Errors
/// Those that cannot be read.
pub fn definitions(job: &Job) -> Result<Vec<Crd>, ActionError> {
    let Some(chart) = &job.chart else {
        return Ok(Vec::new());
    };
    if chart.crds().is_empty() {
        return Ok(Vec::new());
    }
    helm::crds(chart, &job.values)
        .map_err(|e| ActionError::Helm(format!("failed to apply CustomResourceDefinitions: {e}")))
}
