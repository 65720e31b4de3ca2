//! I/O: `helm test`.

use super::{hooks, job::ActionError, session::Session};
use crate::history::selected;
use helm::Event;

/// Runs the chart's tests; what they came to is written to the release that is tested.
///
/// # Errors
/// The first test that fails.
pub async fn run(session: &mut Session) -> Result<(), ActionError> {
    let name = session.job.name.clone();
    let missing = || ActionError::NotFound(name.clone());
    let mut record = session.storage.last(&name).await?.ok_or_else(missing)?;
    session.job.namespace = record.release.namespace.clone();
    let server_side = record.release.apply_method == "ssa";
    let spec = session.job.object.spec.test.clone().unwrap_or_default();
    let filters = spec.filters.unwrap_or_default();
    let tested = hooks::run(session, &mut record, Event::Test, server_side, |run| {
        selected(&run.hook.name, &filters)
    })
    .await;
    match tested {
        Ok(()) => Ok(session.update(&record).await?),
        Err(error) => {
            session.record(&record).await;
            Err(error)
        }
    }
}
