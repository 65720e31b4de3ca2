//! What is packaged here is what Helm packages, byte for byte, and renders as the folder does. `HELM_ORACLE` is asked.

use artifact::Tree;
use helm::{ArchiveLimits, Chart, File, Metadata, package};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const TIME: u64 = 1_700_000_000;

/// A chart with all that can be in one.
const CHART: [(&str, &str); 16] = [
    (
        "Chart.yaml",
        "apiVersion: v2\nname: web # a comment\nversion: 1.2.3\ndescription: \"a: b\"\nappVersion: 1.10\nunknown: x\ndependencies:\n- {name: sub, version: 0.1.0}\n- {name: other, version: '>0', repository: 'file://../other', alias: renamed}\n",
    ),
    (
        "Chart.lock",
        "dependencies:\n- name: sub\n  repository: \"\"\n  version: 0.1.0\n- name: other\n  repository: file://../other\n  version: 0.2.0\ndigest: sha256:1\ngenerated: \"2023-11-14T22:13:20Z\"\n",
    ),
    ("values.yaml", "# kept as it is\na: 1\n"),
    ("values.schema.json", "{\"type\": \"object\"}"),
    (".helmignore", "*.bak\nsecret/\n"),
    ("README.md", "read me\n"),
    ("a.bak", "gone"),
    ("secret/x", "gone"),
    ("templates/_helpers.tpl", "{{ define \"x\" }}x{{ end }}"),
    (
        "templates/cm.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {a: {{ .Values.a | quote }}}\n",
    ),
    ("templates/a-b.yaml", ""),
    ("templates/a/b.yaml", "# nothing\n"),
    (
        "crds/t.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: t}\n",
    ),
    (
        "charts/sub/Chart.yaml",
        "apiVersion: v1\nname: sub\nversion: 0.1.0\n",
    ),
    (
        "charts/sub/templates/s.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sub}\n",
    ),
    (
        "files/deep/er/a-name-that-is-longer-than-a-header-of-an-archive-has-place-for-and-then-some-more-of-it-to-be-sure.txt",
        "x",
    ),
];

fn chart(files: &[(&str, &str)]) -> Chart {
    let files = files
        .iter()
        .map(|(name, text)| (format!("web/{name}"), text.as_bytes().to_vec()));
    Chart::from_tree(&Tree::from_files(files).unwrap(), "web").unwrap()
}

fn lay(files: &[(&str, &str)], root: &Path) {
    golden::lay(files, root);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(TIME);
    for (name, _) in files {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .open(root.join(name))
            .unwrap();
        file.set_modified(time).unwrap();
    }
}

#[test]
fn the_archive_is_helms() {
    let Ok(helm) = std::env::var("HELM_ORACLE") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let without: Vec<(&str, &str)> = CHART
        .iter()
        .map(|(name, text)| match *name {
            // Helm does not package what is not all there.
            "Chart.yaml" => (*name, "apiVersion: v2\nname: web # a comment\nversion: 1.2.3\ndescription: \"a: b\"\nappVersion: 1.10\ndependencies:\n- {name: sub, version: 0.1.0}\n"),
            name => (name, *text),
        })
        .collect();
    let v1 = [
        (
            "Chart.yaml",
            "name: web\nversion: 1.2.3\nmaintainers: [{name: n}]\n",
        ),
        ("requirements.yaml", "dependencies: []\n"),
        ("values.yaml", ""),
        ("templates/NOTES.txt", "hi"),
    ];
    let large = "0123456789abcdef\n".repeat(20_000);
    let bulky = [
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n"),
        ("files/large", large.as_str()),
        ("é.txt", "x"),
    ];
    for (at, files) in [&without[..], &v1[..], &bulky[..]].into_iter().enumerate() {
        let root = dir.path().join(format!("{at}/web"));
        lay(files, &root);
        let mut command = Command::new(&helm);
        command
            .args(["package", "--destination"])
            .arg(dir.path())
            .arg(&root);
        golden::run(&mut command).unwrap();
        let theirs = std::fs::read(dir.path().join("web-1.2.3.tgz")).unwrap();
        let ours = package(&chart(files), TIME).unwrap();
        assert_eq!(names(&ours), names(&theirs));
        assert!(ours == theirs, "the bytes of chart {at} differ");
        let path = dir.path().join("ours.tgz");
        std::fs::write(&path, &ours).unwrap();
        let render = |chart: &Path| {
            let mut command = Command::new(&helm);
            golden::run(command.args(["template", "rel"]).arg(chart)).unwrap()
        };
        assert_eq!(render(&path), render(&root));
    }
}

fn names(archive: &[u8]) -> Vec<(String, u64)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        (
            entry.path().unwrap().display().to_string(),
            entry.header().mtime().unwrap(),
        )
    });
    entries.collect()
}

#[test]
fn a_packaged_chart_is_the_chart() {
    let mut whole = chart(&CHART);
    let mut other = chart(&[
        ("Chart.yaml", "apiVersion: v2\nname: other\nversion: 0.2.0\n"),
        ("values.yaml", "b: 1\n"),
    ]);
    other.metadata.name = "renamed".into();
    whole.dependencies.push(other);
    let mut twin = whole.dependencies[1].clone();
    twin.metadata.version = "0.3.0".into();
    whole.dependencies.push(twin);
    whole.metadata.version = "1.2.3+4".into();
    let archive = package(&whole, TIME).unwrap();
    assert_eq!(archive, package(&whole, TIME).unwrap());
    let names: Vec<String> = names(&archive).into_iter().map(|(name, _)| name).collect();
    for name in [
        "web/Chart.yaml",
        "web/Chart.lock",
        "web/values.yaml",
        "web/values.schema.json",
        "web/templates/a/b.yaml",
        "web/charts/sub/Chart.yaml",
        "web/charts/renamed/values.yaml",
        "web/charts/renamed-0.3.0/values.yaml",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    assert!(
        !names
            .iter()
            .any(|name| name.contains("secret") || name.contains(".bak")),
        "{names:?}"
    );
    let again = Chart::from_archive(&archive, &ArchiveLimits::default()).unwrap();
    assert_eq!(again.metadata.version, "1.2.3+4");
    assert_eq!(
        again.values_file.as_ref().unwrap().data,
        whole.values_file.as_ref().unwrap().data
    );
    assert_eq!(
        package(&again, TIME).unwrap(),
        package(&package_again(&archive), TIME).unwrap()
    );
    let metadata = Metadata::of_archive(&archive, 5 << 20)
        .unwrap()
        .checked()
        .unwrap();
    assert_eq!(
        (metadata.name.as_str(), metadata.version.as_str()),
        ("web", "1.2.3+4")
    );
}

fn package_again(archive: &[u8]) -> Chart {
    Chart::from_archive(archive, &ArchiveLimits::default()).unwrap()
}

#[test]
fn what_is_no_chart_is_not_packaged() {
    let good = || chart(&[("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")]);
    type Change = fn(&mut Chart);
    let cases: [(Change, &str); 5] = [
        (
            |c| c.metadata.name = "a/b".into(),
            "chart.metadata.name \"a/b\" is invalid",
        ),
        (
            |c| c.metadata.version = "x".into(),
            "chart.metadata.version \"x\" is invalid",
        ),
        (
            |c| c.schema = Some(b"{".as_slice().into()),
            "invalid JSON in values.schema.json",
        ),
        (
            |c| c.files.extend([File::new("a", ""), File::new("a", "")]),
            "twice",
        ),
        (
            |c| c.lock = Some(serde_json::json!({"generated": 1})),
            "Chart.lock",
        ),
    ];
    for (change, expected) in cases {
        let mut chart = good();
        change(&mut chart);
        let error = package(&chart, 0).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (archive, expected) in [
        (&b""[..], "EOF"),
        (b"<html>", "gzip: invalid header"),
        (b"\x1f\x8bnothing", ""),
    ] {
        let error = Metadata::of_archive(archive, 1 << 20).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let archive = package(&good(), 0).unwrap();
    let error = Metadata::of_archive(&archive, 3).unwrap_err().to_string();
    assert_eq!(error, "size of 'Chart.yaml' exceeds '3' bytes limit");
}
