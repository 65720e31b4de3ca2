//! The door of notification-controller.

use clap::Parser as _;
use notification_controller::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    runtime::process::exit(notification_controller::run(Args::parse()).await)
}
