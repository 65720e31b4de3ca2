//! Helm's actions over a cluster: install, upgrade, roll back, uninstall, test.

pub mod apply;
pub mod client_side;
pub mod crds;
pub mod hook_output;
pub mod hooks;
pub mod install;
pub mod inventory;
pub mod job;
pub mod legacy;
pub mod objects;
pub mod post_render;
pub mod render;
pub mod rollback;
pub mod session;
pub mod test;
pub mod uninstall;
pub mod upgrade;
pub mod wait;
pub mod write;

use crate::next::Action;
use job::Ended;
use session::Session;
use tokio::time::Instant;

/// Carries an action out.
pub async fn run(mut session: Session) -> Ended {
    let begin = Instant::now();
    let result = match session.job.action.clone() {
        Action::Install => install::run(&mut session).await,
        Action::Upgrade => upgrade::run(&mut session).await,
        Action::Test => test::run(&mut session).await,
        Action::Rollback(version) => rollback::run(&mut session, version).await,
        Action::UninstallRemediation | Action::Uninstall => uninstall::run(&mut session).await,
        // It waits for nothing, and is done by the pass itself.
        Action::Unlock => Ok(()),
    };
    Ended {
        job: session.job,
        result,
        observed: session.observed,
        inventory: session.inventory,
        took: begin.elapsed(),
        log: session.log,
    }
}
