# Abbreviations of cargo.
test:
    cargo test --workspace
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
crds:
    UPDATE=1 cargo test -p crds
demo *args:
    cargo demo {{args}}
