//! The door of source-controller.

use clap::Parser as _;
use source_controller::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    runtime::process::exit(source_controller::run(Args::parse()).await)
}
