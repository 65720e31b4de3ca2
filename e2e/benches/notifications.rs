//! `cargo bench -p e2e --bench notifications -- [N]`: N objects, and what it costs to tell of them; one JSON object.

use e2e::{fleet, promises};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` adds `--bench`; other flags are nobody's here.
    let count = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with('-'))
        .map_or(Ok(1000), |arg| arg.parse())?;
    let measured = fleet::notifications::measure(count).await?;
    promises::told(&measured, promises::OF_NOTIFICATIONS)
}
