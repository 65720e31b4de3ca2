//! The custom resources against what Flux serves, and against themselves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod golden;
mod grammar;
mod roundtrip;

#[test]
fn no_file_here_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let topic = path.file_stem().unwrap_or_default().to_string_lossy();
        let module = path.extension().is_some_and(|extension| extension == "rs") && topic != "main";
        assert!(
            !module || main.contains(&format!("\nmod {topic};")),
            "{topic}.rs is no module of main.rs"
        );
    }
}
