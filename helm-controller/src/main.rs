//! The door of helm-controller.

use clap::Parser as _;
use helm_controller::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    runtime::process::exit(helm_controller::run(Args::parse()).await)
}
