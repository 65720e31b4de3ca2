//! End-to-end tests, one promise a file.

mod api_outage;
mod artifact_generator;
mod artifact_lost;
mod artifact_store;
mod asked;
mod bad_input;
mod bucket;
mod canary;
mod certificates;
mod cloud;
mod commit_to_cluster;
mod control_plane;
mod custom_health;
mod default_accounts;
mod demo;
mod depends_on;
mod deploy;
mod drift;
mod events_endpoint;
mod feature_gate;
mod file_server;
mod health;
mod helm_charts;
mod helm_release;
mod helm_release_chart;
mod helm_release_client_side;
mod helm_release_crash;
mod helm_release_drift;
mod helm_release_failure;
mod helm_release_flags;
mod helm_release_hooks;
mod helm_release_knobs;
mod helm_release_options;
mod helm_release_tenancy;
mod helm_release_threats;
mod helm_release_wait;
mod helm_sources;
mod ignore;
mod include;
mod layers;
mod leadership;
mod left_alone;
mod notify;
mod notify_again;
mod notify_digest;
mod notify_grouping;
mod notify_kills;
mod notify_kinds;
mod notify_start;
mod notify_trouble;
mod oci;
mod oci_hostile;
mod oci_tools;
mod origin;
mod proxies;
mod prune;
mod receiver;
mod redirects;
mod remote;
mod remote_cloud;
mod restart;
mod scope;
mod source_flags;
mod ssh;
mod storage;
mod substitute;
mod suspend;
mod tenancy;
mod threats;
mod unknown_fields;
mod unreadable;
mod upgrade;
mod verify;

#[test]
fn no_test_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(folder).expect("the folder of tests") {
        let name = entry
            .expect("a file")
            .file_name()
            .into_string()
            .expect("a name in UTF-8");
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || include_str!("main.rs").contains(&format!("mod {module};")),
            "{name}"
        );
    }
}
