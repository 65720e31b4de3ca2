//! The door of kustomize-controller.

use clap::Parser as _;
use kustomize_controller::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    runtime::process::exit(kustomize_controller::run(Args::parse()).await)
}
