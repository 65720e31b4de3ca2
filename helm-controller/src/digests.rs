//! PURE: the digests by which a HelmRelease recognises what it made, byte for byte Flux's.

use artifact::{Algorithm, Digest};
use crds::helm::HelmReleaseSpec;
use helm::release::Release;
use serde::Serialize;
use serde_json::{Map, Value};

/// The digest of composed values: of their YAML with keys in the order of their bytes; of nothing if there are none.
pub fn of_values(algorithm: Algorithm, values: &Map<String, Value>) -> String {
    let text = match values.is_empty() {
        true => String::new(),
        false => yaml::to_string_bytewise(&Value::Object(values.clone())),
    };
    Digest::of(algorithm, text.as_bytes()).to_string()
}

/// Whether a digest, by whichever algorithm, is that of these values.
pub fn are_values(digest: &str, values: &Map<String, Value>) -> bool {
    digest
        .parse::<Digest>()
        .is_ok_and(|known| of_values(known.algorithm(), values) == digest)
}

/// The digest of a release.
pub fn of_release(algorithm: Algorithm, release: &Release, oci_digest: Option<&str>) -> String {
    Digest::of(algorithm, release.observation(oci_digest).as_bytes()).to_string()
}

/// The digest of `spec.postRenderers`; none where there are none.
pub fn of_post_renderers(algorithm: Algorithm, spec: &HelmReleaseSpec) -> Option<String> {
    (!spec.post_renderers.is_empty()).then(|| of_json(algorithm, &spec.post_renderers))
}

/// The digest of `spec.commonMetadata`; none where there is none.
pub fn of_common_metadata(algorithm: Algorithm, spec: &HelmReleaseSpec) -> Option<String> {
    spec.common_metadata
        .as_ref()
        .map(|metadata| of_json(algorithm, metadata))
}

/// The digest of what Go's JSON encoder writes: `<`, `>`, `&` and two line separators escaped, and a newline at the end.
fn of_json<T: Serialize>(algorithm: Algorithm, value: &T) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    for (plain, escaped) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        text = text.replace(plain, escaped);
    }
    text.push('\n');
    Digest::of(algorithm, text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(mut value: Value) -> Map<String, Value> {
        helm::values::floats(&mut value);
        value.as_object().unwrap().clone()
    }

    /// Recorded of the real controller.
    #[test]
    fn values_have_flux_digests() {
        for (given, digest) in [
            (
                json!({}),
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                json!({"replicas": 1}),
                "64c510504df97ba5ad76d9dab24c7550b4b53a6d31adc47a75e6efbe8851ae8c",
            ),
            (
                json!({"hook": true}),
                "e8d5bb3fd76f7c4289bfc697222b2792d461d5a87292d764442dfcdafe09308c",
            ),
            (
                json!({"replicas": "many"}),
                "bef7de8e2c6330d382f4a2888aaa77b3051b08f06ed6b18e70c4c0499f8c322c",
            ),
            (
                json!({"replicas": 1, "node": {"no": "where"}}),
                "c723a94364b95f27a79680ea901e67aacd2a61f2f045e16ade7720ac75982597",
            ),
            (
                json!({"replicas": 3, "message": "from-secret"}),
                "fff57c3206b5fb272a40e39c70420b43bbb13584399881e5e76887677b2875d1",
            ),
        ] {
            let values = values(given.clone());
            let digest = format!("sha256:{digest}");
            assert_eq!(of_values(Algorithm::Sha256, &values), digest, "{given}");
            assert!(are_values(&digest, &values));
        }
        assert!(!are_values("sha256:no", &Map::new()));
    }

    #[test]
    fn numbers_and_keys_are_written_as_go_writes_a_sorted_map() {
        let values = values(json!({"a10": 1e6, "a2": 1.5, "B": 1_000_000, "n": null, "e": {}, "l": [[]]}));
        let text = yaml::to_string_bytewise(&Value::Object(values));
        assert_eq!(
            text,
            "B: 1e+06\na10: 1e+06\na2: 1.5\ne: {}\nl:\n- []\n\"n\": null\n"
        );
    }

    /// Recorded of the real controller (`hr-post-renderer`).
    #[test]
    fn post_renderers_have_flux_digest() {
        let spec: HelmReleaseSpec = serde_json::from_value(json!({"interval": "1h", "postRenderers": [{"kustomize": {
            "images": [{"name": "nginx", "newTag": "1.30"}],
            "patches": [{"patch": "- op: add\n  path: /metadata/labels/extra\n  value: yes-please\n", "target": {"kind": "ConfigMap"}}],
        }}]}))
        .unwrap();
        assert_eq!(
            of_post_renderers(Algorithm::Sha256, &spec).unwrap(),
            "sha256:9c1102abde48f749550170a1d241e680c03024d8133371c4d46dd0935d66bd93"
        );
    }
}
