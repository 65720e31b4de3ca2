//! Release records and repository indexes.

use helm::release::{self, HookRun, Info, LastRun, Release, Status};
use helm::{Chart, Event, File, Hook};
use serde_json::json;

pub fn sample() -> Release {
    let chart = Chart::from_files(vec![
        File::new(
            "Chart.yaml",
            "name: c\nversion: 1.0.0\nannotations: {b: x, a: v}\n",
        ),
        File::new("values.yaml", "num: 1\nb: {z: 1.5, a: <&>}\n"),
        File::new("templates/a.yaml", "a: 1\n"),
    ])
    .unwrap();
    Release {
        name: "rel".into(),
        info: Info {
            first_deployed: Some("2026-01-02T03:04:05.600000001+02:00".into()),
            last_deployed: Some("2026-01-02T03:04:05Z".into()),
            description: "Install complete".into(),
            status: Status::Deployed,
            notes: "a<b".into(),
            ..Info::default()
        },
        chart: Release::chart_of(&chart, &chart.metadata, &chart.values),
        config: json!({"z": 1, "a": {"k": 1e21, "b": 1.0}, "l": [null]})
            .as_object()
            .unwrap()
            .clone(),
        manifest: "---\n# Source: c/templates/a.yaml\na: 1\n".into(),
        hooks: vec![HookRun {
            hook: Hook {
                name: "h".into(),
                kind: "Job".into(),
                path: "c/templates/h.yaml".into(),
                manifest: "kind: Job\n".into(),
                events: vec![Event::PreInstall, Event::Test],
                weight: -5,
                delete_policies: vec!["hook-succeeded".into()],
                output_log_policies: Vec::new(),
            },
            last_run: LastRun::default(),
        }],
        version: 3,
        namespace: "ns".into(),
        apply_method: "ssa".into(),
    }
}

#[test]
fn records_are_written_as_helm_writes_them() {
    assert_eq!(
        sample().to_json(),
        r##"{"name":"rel","info":{"first_deployed":"2026-01-02T03:04:05.600000001+02:00","last_deployed":"2026-01-02T03:04:05Z","description":"Install complete","status":"deployed","notes":"a\u003cb"},"chart":{"metadata":{"name":"c","version":"1.0.0","apiVersion":"v1","annotations":{"a":"v","b":"x"}},"lock":null,"templates":[{"name":"templates/a.yaml","data":"YTogMQo="}],"values":{"b":{"a":"\u003c\u0026\u003e","z":1.5},"num":1},"schema":null,"schemamodtime":"0001-01-01T00:00:00Z","files":null},"config":{"a":{"b":1,"k":1e+21},"l":[null],"z":1},"manifest":"---\n# Source: c/templates/a.yaml\na: 1\n","hooks":[{"name":"h","kind":"Job","path":"c/templates/h.yaml","manifest":"kind: Job\n","events":["pre-install","test"],"last_run":{"phase":""},"weight":-5,"delete_policies":["hook-succeeded"]}],"version":3,"namespace":"ns","apply_method":"ssa"}"##
    );
}

#[test]
fn records_survive_a_round_trip() {
    let text = release::encode(&sample()).unwrap();
    let again = release::decode(&text).unwrap();
    assert_eq!(again.to_json(), sample().to_json());
    let labels = release::labels(
        &again,
        &[("owner".into(), "me".into()), ("x".into(), "y".into())].into(),
        Some(7),
        None,
    );
    let expected = [
        ("createdAt", "7"),
        ("name", "rel"),
        ("owner", "helm"),
        ("status", "deployed"),
        ("version", "3"),
        ("x", "y"),
    ];
    assert_eq!(
        labels
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(release::secret_name("rel", 3), "sh.helm.release.v1.rel.v3");
}

#[test]
fn records_of_helm_3_are_read() {
    use base64::Engine as _;
    let json = r#"{"name":"r","info":{"first_deployed":"","deleted":"0001-01-01T00:00:00Z","status":"pending-upgrade"},"version":1,"unknown":{"x":1}}"#;
    let read = release::decode(&base64::engine::general_purpose::STANDARD.encode(json)).unwrap();
    assert_eq!((read.info.first_deployed, read.info.deleted), (None, None));
    assert!(read.info.status.is_pending() && read.apply_method.is_empty());
    assert!(release::decode("!").is_err() && release::decode("").is_err() && release::decode("e30=").is_ok());
}

#[test]
fn a_record_that_is_too_large_is_refused_in_so_many_words() {
    let mut large = sample();
    let mut state = 1u32;
    large.manifest = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4e00 + (state >> 12) % 20_000).unwrap()
    })
    .take(800_000)
    .collect();
    let error = release::encode(&large).unwrap_err().to_string();
    assert!(error.starts_with("release rel of revision 3 needs "), "{error}");
}

#[test]
fn a_chart_from_an_archive_keeps_its_times() {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let files: [(&str, &[u8]); 3] = [
        ("c/Chart.yaml", b"name: c\nversion: 1.0.0\n"),
        ("c/values.schema.json", b"true"),
        ("c/templates/a.yaml", b"a: 1\n"),
    ];
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mtime(5);
        tar.append_data(&mut header, name, data).unwrap();
    }
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let chart = Chart::from_archive(&bytes, &helm::ArchiveLimits::default()).unwrap();
    let record = Release::chart_of(&chart, &chart.metadata, &chart.values);
    let keys: Vec<&String> = record.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "metadata",
            "lock",
            "templates",
            "values",
            "schema",
            "schemamodtime",
            "files",
            "modtime"
        ]
    );
    assert_eq!(record["modtime"], "1970-01-01T00:00:05Z");
    assert_eq!(record["schemamodtime"], "1970-01-01T00:00:05Z");
    assert_eq!(record["templates"][0]["modtime"], "1970-01-01T00:00:05Z");
}

#[test]
fn a_chart_comes_out_of_a_tree() {
    let files = [
        ("charts/x/Chart.yaml", "name: x\nversion: 1.0.0\n"),
        ("charts/x/.helmignore", "*.md\n"),
        ("charts/x/README.md", "ignored"),
        ("charts/x/config/a.txt", "kept"),
        ("charts/x/templates/a.yaml", "a: 1\n"),
        ("charts/xy/Chart.yaml", "name: other\nversion: 1.0.0\n"),
    ];
    let files = files.map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()));
    let tree = artifact::Tree::from_files(files).unwrap();
    for path in ["charts/x", "/charts/x/"] {
        let chart = Chart::from_tree(&tree, path).unwrap();
        let names: Vec<&str> = chart.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!((chart.name(), names), ("x", vec![".helmignore", "config/a.txt"]));
        assert_eq!(chart.templates.len(), 1);
    }
    let error = Chart::from_tree(&tree, "charts/z").unwrap_err().to_string();
    assert_eq!(error, "Chart.yaml file is missing");
}
