//! `cargo bench-sources [NAME]…`: what sources cost; one JSON object. Names choose among `monorepo`, `registry` and
//! `index`.

use e2e::{promises, sources};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` adds `--bench`; other flags are nobody's here.
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let measured = sources::measure(&names).await?;
    promises::told(&measured, promises::OF_SOURCES)
}
