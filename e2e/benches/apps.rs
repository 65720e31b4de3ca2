//! `cargo bench-apps [N]`: N apps from one repository, N Kustomizations; one JSON object with what it costs.

use e2e::fleet;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` adds `--bench`; other flags are nobody's here.
    let count = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with('-'))
        .map_or(Ok(100), |arg| arg.parse())?;
    let measured = fleet::measure(count).await?;
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&measured)?)?;
    Ok(())
}
