//! What an action came to whose object has changed meanwhile.

use super::*;

#[test]
fn a_release_is_told_to_be_of_the_spec_that_it_was_made_for() {
    let (old, settings) = (object(&json!({}), &json!({}), &json!({})), settings());
    let mut newer = HelmRelease::clone(&old);
    newer.metadata.generation = Some(3);
    newer.spec.post_renderers =
        serde_json::from_value(json!([{"kustomize": {"images": [{"name": "a"}]}}])).unwrap();
    let digest = |object: &HelmRelease| crate::digests::of_post_renderers(Algorithm::Sha256, &object.spec);
    assert_ne!(digest(&old), digest(&newer));
    let mut draft = Draft::new(&newer, &settings, now());
    let made = ended(&old, Action::Install, Ok(()), &[release(1, Status::Deployed)]);
    assert_eq!(draft.ended(made), None);
    assert_eq!(draft.status.observed_post_renderers_digest, digest(&old));
    // Whatever pause a failure would bring, there is something newer to do.
    let mut draft = Draft::new(&newer, &settings, now());
    let failed = ended(&old, Action::Install, Err(ActionError::helm("no")), &[]);
    assert_eq!(draft.ended(failed), Some(End::Again));
}
