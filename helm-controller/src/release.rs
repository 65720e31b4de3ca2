//! Helm's actions over a cluster: install, upgrade, roll back, uninstall, test.

pub mod apply;
pub mod client_side;
pub mod crds;
pub mod hook_output;
pub mod hooks;
pub mod install;
pub mod job;
pub mod legacy;
pub mod objects;
pub mod post_render;
pub mod render;
pub mod rollback;
pub mod test;
pub mod uninstall;
pub mod upgrade;
pub mod wait;
