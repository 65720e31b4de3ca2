//! `spec.verify` of OCIRepositories: what the real cosign and notation have signed is accepted, and nothing else is.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{SOURCE, with},
    origin::{
        Artifact, Authority, Cosign, Guard, Notation, Registry, Sigstore, Style, TimestampServer,
        sigstore::{self, Flaw},
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};

const KIND: &str = "OCIRepository";

fn repository(url: &str, digest: &str, verify: &Value) -> Value {
    json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "url": url, "ref": {"digest": digest}, "verify": verify},
    })
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

async fn again(space: &Space<'_>, object: Value) -> Result<()> {
    let _ = space.delete(SOURCE, KIND, "app").await;
    space.gone(SOURCE, KIND, "app").await?;
    space.apply(object).await
}

/// The condition SourceVerified: status, reason and message.
fn verified(object: &Value) -> Option<(String, String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == "SourceVerified")?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}

async fn accepted(space: &Space<'_>, digest: &str) -> Result<()> {
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let object = space.holds("ready", SOURCE, KIND, "app", ready).await?;
    let found = verified(&object);
    let text = format!("verified signature of revision {digest}");
    ensure!(
        found == Some(("True".into(), "Succeeded".into(), text)),
        "{found:?} {object}"
    );
    Ok(())
}

async fn refused(space: &Space<'_>, part: &str) -> Result<()> {
    let told = space.says(SOURCE, KIND, "app", "VerificationError", part).await?;
    ensure!(told.status == "False", "{told:?}");
    let object = space.get(SOURCE, KIND, "app").await?.context("it is there")?;
    let found = verified(&object).context("a condition")?;
    ensure!(found.0 == "False" && found.2.contains(part), "{found:?}");
    ensure!(
        object["status"]["artifact"].is_null(),
        "nothing unverified is stored: {object}"
    );
    let conditions = object["status"]["conditions"].to_string();
    ensure!(!conditions.contains("FetchFailed"), "{conditions}");
    Ok(())
}

async fn push(registry: &Registry, repository: &str, value: &str) -> Result<String> {
    let artifact = Artifact::of_files(&[("a.yaml", &app::config_map("a", value))])?;
    registry.push(repository, "latest", &artifact).await
}

#[tokio::test]
async fn what_cosign_signed_with_a_key_is_accepted_and_nothing_else() -> Result<()> {
    let space = World::shared().await?.space("cosign").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let cosign = Cosign::new().await?;
    let (right, other) = (cosign.key("right")?, cosign.key("other")?);
    for (name, data) in [
        ("right", json!({"cosign.pub": right})),
        ("other", json!({"cosign.pub": other})),
        ("both", json!({"a.pub": other, "b.pub": right, "c.txt": "text"})),
        ("none", json!({"cosign.txt": right})),
        ("odd", json!({"cosign.pub": "no key"})),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let at = |repository: &str, digest: &str| format!("{}/{repository}@{digest}", registry.address());
    let mut digests = std::collections::BTreeMap::new();
    for name in [
        "tag",
        "bundle",
        "unsigned",
        "moved-tag",
        "moved-bundle",
        "attested",
        "tampered",
        "foreign",
        "both",
    ] {
        digests.insert(name, push(&registry, name, name).await?);
    }
    cosign.sign("right", &at("tag", &digests["tag"]), Style::Tag)?;
    cosign.sign("right", &at("bundle", &digests["bundle"]), Style::Bundle)?;
    cosign.attest("right", &at("attested", &digests["attested"]))?;
    // An attestation beside a signature takes nothing from it.
    cosign.attest("right", &at("both", &digests["both"]))?;
    cosign.sign("right", &at("both", &digests["both"]), Style::Tag)?;

    // Signatures of one artifact, put beside another: each in its own repository, as an attacker with its push rights would.
    let first = push(&registry, "moved-tag", "first").await?;
    cosign.sign("right", &at("moved-tag", &first), Style::Tag)?;
    let signed = registry
        .get("moved-tag", &format!("{}.sig", first.replace(':', "-")))
        .await?;
    let tag = format!("{}.sig", digests["moved-tag"].replace(':', "-"));
    registry.manifest("moved-tag", &tag, &signed).await?;
    let first = push(&registry, "moved-bundle", "first").await?;
    cosign.sign("right", &at("moved-bundle", &first), Style::Bundle)?;
    let signed = registry.get("moved-bundle", &first.replace(':', "-")).await?;
    registry
        .manifest(
            "moved-bundle",
            &digests["moved-bundle"].replace(':', "-"),
            &signed,
        )
        .await?;

    // What was signed, changed afterwards.
    cosign.sign("right", &at("tampered", &digests["tampered"]), Style::Tag)?;
    let tag = format!("{}.sig", digests["tampered"].replace(':', "-"));
    let manifest = registry.get("tampered", &tag).await?;
    let payload = manifest["layers"][0]["digest"].as_str().context("a payload")?;
    registry.tamper(payload, br#"{"critical":{}}"#)?;

    // A signature whose media type is another.
    cosign.sign("right", &at("foreign", &digests["foreign"]), Style::Tag)?;
    let tag = format!("{}.sig", digests["foreign"].replace(':', "-"));
    let mut manifest = registry.get("foreign", &tag).await?;
    manifest["layers"][0]["mediaType"] = json!("application/octet-stream");
    registry.manifest("foreign", &tag, &manifest).await?;

    let by = |secret: &str| json!({"provider": "cosign", "secretRef": {"name": secret}});
    for (name, key, opinion) in [
        ("tag", "right", Some(true)),
        ("bundle", "right", Some(true)),
        ("tag", "both", None),
        ("bundle", "both", None),
        ("both", "right", None),
    ] {
        let digest = &digests[name];
        again(&space, repository(&registry.url(name), digest, &by(key))).await?;
        accepted(&space, digest)
            .await
            .with_context(|| format!("{name} by {key}"))?;
        if let Some(opinion) = opinion {
            ensure!(
                cosign.accepts(key, &at(name, digest))? == opinion,
                "cosign on {name} by {key}"
            );
        }
    }
    let nothing = "no matching signatures were found for";
    for (name, key, part, opinion) in [
        ("tag", "other", "the signature is by another key", Some(false)),
        ("bundle", "other", "the signature is by another key", Some(false)),
        ("unsigned", "right", nothing, Some(false)),
        (
            "moved-tag",
            "right",
            "the signature is of another artifact",
            Some(false),
        ),
        (
            "moved-bundle",
            "right",
            "the signature is of another artifact",
            Some(false),
        ),
        ("attested", "right", nothing, None),
        ("tampered", "right", "not what its digest says", Some(false)),
        ("foreign", "right", "is no signature", None),
        (
            "tag",
            "none",
            "no public keys ('*.pub') found in secret 'cosign/none'",
            None,
        ),
        (
            "tag",
            "odd",
            "'cosign.pub' in secret 'cosign/odd' is no public key",
            None,
        ),
        ("tag", "absent", "failed to get secret 'cosign/absent'", None),
    ] {
        let digest = &digests[name];
        again(&space, repository(&registry.url(name), digest, &by(key))).await?;
        refused(&space, part)
            .await
            .with_context(|| format!("{name} by {key}"))?;
        if let Some(opinion) = opinion {
            ensure!(
                cosign.accepts(key, &at(name, digest))? == opinion,
                "cosign on {name} by {key}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_signature_is_looked_at_when_something_is_new() -> Result<()> {
    let space = World::shared().await?.space("cosign-moves").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let cosign = Cosign::new().await?;
    let key = cosign.key("right")?;
    space.apply(secret("right", &json!({"cosign.pub": key}))).await?;
    let at = |digest: &str| format!("{}/app@{digest}", registry.address());
    let first = push(&registry, "app", "1").await?;
    cosign.sign("right", &at(&first), Style::Tag)?;
    let verify = json!({"provider": "cosign", "secretRef": {"name": "right"}});
    let object = with(
        repository(&registry.url("app"), &first, &verify),
        &json!({"spec": {"ref": {"digest": null, "tag": "latest"}}}),
    );
    space.apply(object.clone()).await?;
    accepted(&space, &format!("latest@{first}")).await?;

    // Nothing moved: the signature is not asked for.
    let count = || registry.requests("GET", "/v2/app/");
    let before = count()?;
    space.handled(SOURCE, KIND, "app").await?;
    ensure!(count()? == before, "at rest no signature is read");

    // What is pushed without a signature is not taken; what is there stays and is served.
    let second = push(&registry, "app", "2").await?;
    space.request(SOURCE, KIND, "app").await?;
    let told = space
        .says(SOURCE, KIND, "app", "VerificationError", &second)
        .await?;
    ensure!(
        told.message
            .starts_with("failed to verify the signature using provider 'cosign': "),
        "{told:?}"
    );
    let found = space.get(SOURCE, KIND, "app").await?.context("it is there")?;
    let artifact = &found["status"]["artifact"];
    ensure!(artifact["revision"] == format!("latest@{first}"), "{artifact}");
    let url = artifact["url"].as_str().context("a url")?;
    ensure!(reqwest::get(url).await?.status().is_success(), "it is served");

    // Signed at last, it is taken.
    cosign.sign("right", &at(&second), Style::Bundle)?;
    space.request(SOURCE, KIND, "app").await?;
    accepted(&space, &format!("latest@{second}")).await?;

    // Without `verify` there is no word about signatures.
    space
        .patch(SOURCE, KIND, "app", json!({"spec": {"verify": null}}))
        .await?;
    let silent = |o: &Value| verified(o).is_none() && expect::verdict(o).is_some_and(|v| v.status == "True");
    space
        .holds("no word about signatures", SOURCE, KIND, "app", silent)
        .await?;
    space.at_rest().await
}

#[tokio::test]
async fn an_identity_of_sigstore_may_sign_and_each_flaw_is_found() -> Result<()> {
    let space = World::shared().await?.space("sigstore").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let cosign = Cosign::new().await?;
    let (ours, theirs) = (Sigstore::new()?, Sigstore::new()?);
    space
        .apply(secret("ours", &json!({"trusted_root.json": ours.trusted_root()})))
        .await?;
    space
        .apply(secret(
            "theirs",
            &json!({"trusted_root.json": theirs.trusted_root()}),
        ))
        .await?;
    space
        .apply(secret("odd", &json!({"trusted_root.json": "{}"})))
        .await?;
    space.apply(secret("empty", &json!({"other": "{}"}))).await?;
    let by = |root: &str, issuer: &str, subject: &str| {
        json!({
            "provider": "cosign", "trustedRootSecretRef": {"name": root},
            "matchOIDCIdentity": [{"issuer": issuer, "subject": subject}],
        })
    };
    let (issuer, subject) = ("^https://issuer\\.example\\.com$", "^https://example\\.com/org/");
    let digest = push(&registry, "tag", "1").await?;
    ours.sign_tag(&registry, "tag", &digest, Flaw::None).await?;
    let bundled = push(&registry, "bundle", "1").await?;
    ours.sign_bundle(&registry, "bundle", &bundled, Flaw::None)
        .await?;
    for (name, digest) in [("tag", &digest), ("bundle", &bundled)] {
        let url = registry.url(name);
        again(&space, repository(&url, digest, &by("ours", issuer, subject))).await?;
        accepted(&space, digest)
            .await
            .with_context(|| format!("signed as {name}"))?;
        // What we accept, cosign accepts too: so what is made here is what it takes for a signature.
        let reference = format!("{}/{name}@{digest}", registry.address());
        let (opinion, told) = cosign.accepts_identity(&ours.trusted_root(), issuer, subject, &reference)?;
        ensure!(opinion, "cosign on a signature as {name}: {told}");

        // Anybody will do where nobody is named.
        let anybody = json!({"provider": "cosign", "trustedRootSecretRef": {"name": "ours"}});
        again(&space, repository(&url, digest, &anybody)).await?;
        accepted(&space, digest).await?;
        for (verify, part) in [
            (
                by("ours", "^https://issuer\\.example\\.org$", subject),
                "none of the expected identities matched",
            ),
            (
                by("ours", issuer, "^https://example\\.com/other/"),
                "none of the expected identities matched",
            ),
            (by("theirs", issuer, subject), "of a log that is not trusted"),
            (by("odd", issuer, subject), "unable to parse trusted root"),
            (by("empty", issuer, subject), "'trusted_root.json' not found"),
            (by("ours", "(", subject), "malformed issuer in identity"),
            (json!({"provider": "cosign"}), "spec.verify.trustedRootSecretRef"),
        ] {
            again(&space, repository(&url, digest, &verify)).await?;
            refused(&space, part)
                .await
                .with_context(|| format!("{name} by {verify}"))?;
        }
    }
    let flaws = [
        (Flaw::NoEntry, "no entry of a transparency log"),
        (Flaw::Late, "did not count when the log took the signature"),
        (Flaw::Promise, "inclusion promise"),
        (Flaw::OtherEntry, "about another signature"),
        (Flaw::NoTimestamp, "(SCT)"),
        (Flaw::Timestamp, "(SCT)"),
        (Flaw::Signature, "the signature is wrong"),
        (Flaw::Usage, "the certificate is not for signing"),
        (Flaw::Attestation, "no matching signatures"),
    ];
    let in_bundles = [(Flaw::Path, "inclusion proof"), (Flaw::Checkpoint, "checkpoint")];
    let both = flaws
        .iter()
        .map(|flaw| (*flaw, true))
        .chain(in_bundles.iter().map(|flaw| (*flaw, false)));
    for ((flaw, part), has_tag) in both {
        for style in [Style::Tag, Style::Bundle] {
            if style == Style::Tag && !has_tag {
                continue;
            }
            let name = format!("{flaw:?}-{style:?}").to_lowercase();
            let digest = push(&registry, &name, "1").await?;
            match style {
                Style::Tag => ours.sign_tag(&registry, &name, &digest, flaw).await?,
                Style::Bundle => ours.sign_bundle(&registry, &name, &digest, flaw).await?,
            }
            again(
                &space,
                repository(&registry.url(&name), &digest, &by("ours", issuer, subject)),
            )
            .await?;
            refused(&space, part).await.with_context(|| name.clone())?;
            // Cosign looks up a missing entry, which needs the network; an attestation it takes for what it is asked for.
            if !matches!(flaw, Flaw::NoEntry | Flaw::Attestation) {
                let reference = format!("{}/{name}@{digest}", registry.address());
                let (opinion, _) =
                    cosign.accepts_identity(&ours.trusted_root(), issuer, subject, &reference)?;
                ensure!(!opinion, "cosign accepts {name}");
            }
        }
    }
    // What is no bundle at all, and what is one of nothing.
    for (name, bundle) in [
        ("garbage", "{".to_owned()),
        (
            "hollow",
            json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {}})
                .to_string(),
        ),
    ] {
        let digest = push(&registry, name, "1").await?;
        sigstore::refer(&registry, name, &digest, &bundle, "x").await?;
        again(
            &space,
            repository(&registry.url(name), &digest, &by("ours", issuer, subject)),
        )
        .await?;
        refused(&space, "no matching signatures were found for")
            .await
            .with_context(|| name.to_owned())?;
    }
    Ok(())
}

fn policy(level: &str, change: &Value) -> String {
    let statement = json!({
        "name": "app", "registryScopes": ["*"], "signatureVerification": {"level": level},
        "trustStores": ["ca:right"], "trustedIdentities": ["*"],
    });
    json!({"version": "1.0", "trustPolicies": [with(statement, change)]}).to_string()
}

#[tokio::test]
async fn what_notation_signed_is_judged_by_the_trust_policy() -> Result<()> {
    let space = World::shared().await?.space("notation").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let notation = Notation::new().await?;
    let (right, other) = (notation.key("right")?, notation.key("other")?);
    let at = |repository: &str, digest: &str| format!("{}/{repository}@{digest}", registry.address());
    let mut digests = std::collections::BTreeMap::new();
    for name in [
        "jws", "cose", "unsigned", "moved", "tampered", "foreign", "several",
    ] {
        digests.insert(name, push(&registry, name, name).await?);
    }
    notation.sign("right", &at("jws", &digests["jws"]), "jws", &[])?;
    notation.sign("right", &at("cose", &digests["cose"]), "cose", &[])?;
    notation.sign("other", &at("several", &digests["several"]), "jws", &[])?;
    notation.sign("right", &at("several", &digests["several"]), "cose", &[])?;
    // The signature of another artifact.
    let first = push(&registry, "moved", "first").await?;
    notation.sign("right", &at("moved", &first), "jws", &[])?;
    let index = registry.get("moved", &first.replace(':', "-")).await?;
    registry
        .manifest("moved", &digests["moved"].replace(':', "-"), &index)
        .await?;
    // An envelope that was changed, and one of another media type.
    for name in ["tampered", "foreign"] {
        notation.sign("right", &at(name, &digests[name]), "jws", &[])?;
        let tag = digests[name].replace(':', "-");
        let mut index = registry.get(name, &tag).await?;
        let mut manifest = registry
            .get(name, index["manifests"][0]["digest"].as_str().context("one")?)
            .await?;
        let envelope = if name == "foreign" {
            manifest["layers"][0]["mediaType"] = json!("application/json");
            None
        } else {
            let url = format!(
                "http://{}/v2/{name}/blobs/{}",
                registry.address(),
                manifest["layers"][0]["digest"].as_str().context("a digest")?
            );
            let mut envelope: Value = reqwest::get(url).await?.json().await?;
            let signature = envelope["signature"].as_str().context("a signature")?;
            let changed = if signature.starts_with('A') { "B" } else { "A" };
            envelope["signature"] = json!(format!("{changed}{}", &signature[1..]));
            Some(envelope.to_string())
        };
        if let Some(envelope) = envelope {
            let mut layer = registry.blob(name, envelope.as_bytes()).await?;
            layer["mediaType"] = manifest["layers"][0]["mediaType"].clone();
            manifest["layers"] = json!([layer]);
        }
        let digest = registry.manifest(name, "changed", &manifest).await?;
        index["manifests"][0]["digest"] = json!(digest);
        index["manifests"][0]["size"] = json!(manifest.to_string().len());
        registry.manifest(name, &tag, &index).await?;
    }

    let subject = "x509.subject: C=US, ST=WA, O=Notary";
    let nobody = "x509.subject: C=US, ST=WA, O=Somebody";
    let strict = policy("strict", &json!({}));
    let named = policy("strict", &json!({"trustedIdentities": [subject, nobody]}));
    let scoped = policy(
        "strict",
        &json!({"registryScopes": [format!("{}/jws", registry.address())]}),
    );
    for (name, certificate, text) in [
        ("jws", &right, &strict),
        ("cose", &right, &strict),
        ("several", &right, &strict),
        ("jws", &right, &named),
        ("jws", &right, &scoped),
        ("cose", &right, &policy("permissive", &json!({}))),
        ("cose", &right, &policy("audit", &json!({}))),
    ] {
        space
            .apply(secret(
                "trust",
                &json!({"trustpolicy.json": text, "a.crt": certificate}),
            ))
            .await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust"}});
        again(&space, repository(&registry.url(name), &digests[name], &verify)).await?;
        accepted(&space, &digests[name])
            .await
            .with_context(|| format!("{name} under {text}"))?;
        ensure!(
            notation.accepts(text, &at(name, &digests[name]))?,
            "notation on {name} under {text}"
        );
    }
    let nothing = "no matching signatures were found for";
    let elsewhere = policy("strict", &json!({"registryScopes": ["example.com/app"]}));
    for (name, certificate, text, part) in [
        ("jws", &other, &strict, "leads to none that is trusted"),
        ("cose", &other, &strict, "leads to none that is trusted"),
        ("unsigned", &right, &strict, nothing),
        ("moved", &right, &strict, "the signature is of another artifact"),
        ("tampered", &right, &strict, "the signature is wrong"),
        // What is not whole is never let through, whatever else is.
        (
            "tampered",
            &right,
            &policy("audit", &json!({})),
            "the signature is wrong",
        ),
        (
            "foreign",
            &right,
            &strict,
            "envelopes of the type 'application/json' are not known",
        ),
        (
            "jws",
            &right,
            &policy("strict", &json!({"trustedIdentities": [nobody]})),
            "names none of the trusted identities",
        ),
        (
            "jws",
            &right,
            &policy("strict", &json!({"trustStores": ["tsa:right"]})),
            "no trust store of the type 'ca'",
        ),
        (
            "jws",
            &right,
            &elsewhere,
            "has no applicable oci trust policy statement",
        ),
        (
            "jws",
            &right,
            &"{".to_owned(),
            "error occurred while parsing trustpolicy.json",
        ),
        (
            "jws",
            &right,
            &policy("strict", &json!({"signatureVerification": {"level": "lax"}})),
            "invalid signatureVerification level",
        ),
    ] {
        space
            .apply(secret(
                "trust",
                &json!({"trustpolicy.json": text, "a.crt": certificate}),
            ))
            .await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust"}});
        again(&space, repository(&registry.url(name), &digests[name], &verify)).await?;
        refused(&space, part)
            .await
            .with_context(|| format!("{name} under {text}"))?;
        // It has the right certificate in its store, so its opinion on the others is not asked.
        if certificate == &right {
            ensure!(
                !notation.accepts(text, &at(name, &digests[name]))?,
                "notation on {name} under {text}"
            );
        }
    }
    for (data, part) in [
        (
            json!({"trustpolicy.json": strict}),
            "no certificates found in secret 'notation/trust2'",
        ),
        (
            json!({"a.crt": right}),
            "'trustpolicy.json' not found in secret 'notation/trust2'",
        ),
        (
            json!({"trustpolicy.json": strict, "a.crt": "x"}),
            "failed to parse certificate 'a.crt'",
        ),
    ] {
        let _ = space.delete("v1", "Secret", "trust2").await;
        space.apply(secret("trust2", &data)).await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust2"}});
        again(&space, repository(&registry.url("jws"), &digests["jws"], &verify)).await?;
        refused(&space, part).await?;
    }
    again(
        &space,
        repository(
            &registry.url("jws"),
            &digests["jws"],
            &json!({"provider": "notation"}),
        ),
    )
    .await?;
    refused(&space, "verification secret cannot be empty").await?;

    // A policy that asks for nothing: pulled, without a word about signatures; so is what is not authentic in an audit.
    let skip = json!({"trustStores": [], "trustedIdentities": []});
    for (name, certificate, text) in [
        ("unsigned", &right, policy("skip", &skip)),
        ("jws", &other, policy("audit", &json!({}))),
    ] {
        space
            .apply(secret(
                "trust",
                &json!({"trustpolicy.json": text, "a.crt": certificate}),
            ))
            .await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust"}});
        again(&space, repository(&registry.url(name), &digests[name], &verify)).await?;
        let silent =
            |o: &Value| verified(o).is_none() && expect::verdict(o).is_some_and(|v| v.status == "True");
        space
            .holds("pulled without a word", SOURCE, KIND, "app", silent)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_chain_of_certificates_leads_to_a_trusted_one() -> Result<()> {
    let space = World::shared().await?.space("notation-chain").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let notation = Notation::new().await?;
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let good = authority.signer("good", 48, None)?;
    let revocable = authority.signer("revocable", 48, Some("http://127.0.0.1:1/crl"))?;
    let at = |repository: &str, digest: &str| format!("{}/{repository}@{digest}", registry.address());
    notation.trust("right", &authority.certificate())?;
    let mut digests = std::collections::BTreeMap::new();
    for (name, identity) in [("good", &good), ("revocable", &revocable)] {
        notation.import(name, &identity.key, &identity.certificate)?;
        for format in ["jws", "cose"] {
            let repository = format!("{name}-{format}");
            let digest = push(&registry, &repository, name).await?;
            notation.sign(name, &at(&repository, &digest), format, &[])?;
            digests.insert(repository, digest);
        }
    }
    let strict = policy("strict", &json!({}));
    let lenient = json!({"signatureVerification": {"level": "strict", "override": {"revocation": "skip"}}});
    let lenient = policy("strict", &lenient);
    let leaf = good
        .certificate
        .split_inclusive("-----END CERTIFICATE-----\n")
        .next()
        .context("a leaf")?;
    for (name, certificate, text) in [
        ("good-jws", authority.certificate(), &strict),
        ("good-cose", authority.certificate(), &strict),
        ("good-cose", leaf.to_owned(), &strict),
        ("revocable-jws", authority.certificate(), &lenient),
    ] {
        space
            .apply(secret(
                "trust",
                &json!({"trustpolicy.json": text, "a.pem": certificate}),
            ))
            .await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust"}});
        again(&space, repository(&registry.url(name), &digests[name], &verify)).await?;
        accepted(&space, &digests[name])
            .await
            .with_context(|| format!("{name} under {text}"))?;
        ensure!(
            notation.accepts(text, &at(name, &digests[name]))?,
            "notation on {name} under {text}"
        );
    }
    for (name, certificate, text, part) in [
        (
            "good-jws",
            stranger.certificate(),
            &strict,
            "leads to none that is trusted",
        ),
        (
            "good-cose",
            stranger.certificate(),
            &strict,
            "leads to none that is trusted",
        ),
        (
            "revocable-jws",
            authority.certificate(),
            &strict,
            "whether the signer's certificates were revoked",
        ),
        (
            "revocable-cose",
            authority.certificate(),
            &strict,
            "whether the signer's certificates were revoked",
        ),
    ] {
        space
            .apply(secret(
                "trust",
                &json!({"trustpolicy.json": text, "a.pem": certificate}),
            ))
            .await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust"}});
        again(&space, repository(&registry.url(name), &digests[name], &verify)).await?;
        refused(&space, part)
            .await
            .with_context(|| format!("{name} under {text}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn an_authority_of_time_may_vouch_for_when() -> Result<()> {
    let space = World::shared().await?.space("timestamps").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let (cosign, notation) = (Cosign::new().await?, Notation::new().await?);
    let (times, others) = (TimestampServer::start().await?, Authority::new()?);
    let at = |repository: &str, digest: &str| format!("{}/{repository}@{digest}", registry.address());

    // Logs of Sigstore that have no times of their own.
    let ours = Sigstore::new()?;
    let root = ours.trusted_root_with(Some(times.chain()));
    space
        .apply(secret("ours", &json!({"trusted_root.json": root})))
        .await?;
    let chain = others.signer("time", 48, None)?.certificate;
    let elsewhere = ours.trusted_root_with(Some(&chain));
    space
        .apply(secret("elsewhere", &json!({"trusted_root.json": elsewhere})))
        .await?;
    space
        .apply(secret(
            "timeless",
            &json!({"trusted_root.json": ours.trusted_root()}),
        ))
        .await?;
    let by = |root: &str| {
        json!({
            "provider": "cosign", "trustedRootSecretRef": {"name": root},
            "matchOIDCIdentity": [{"issuer": "^https://issuer", "subject": "org/app"}],
        })
    };
    let digest = push(&registry, "second", "1").await?;
    ours.sign_second(&registry, "second", &digest, &times, Flaw::None)
        .await?;
    again(&space, repository(&registry.url("second"), &digest, &by("ours"))).await?;
    accepted(&space, &digest).await?;
    let (opinion, told) =
        cosign.accepts_identity(&root, "^https://issuer", "org/app", &at("second", &digest))?;
    ensure!(opinion, "cosign: {told}");
    for (root, part) in [
        ("elsewhere", "the timestamp is by somebody else"),
        ("timeless", "the signature has no timestamp"),
    ] {
        again(&space, repository(&registry.url("second"), &digest, &by(root))).await?;
        refused(&space, part).await.with_context(|| root.to_owned())?;
    }
    for (flaw, part) in [
        (Flaw::Unstamped, "the signature has no timestamp"),
        (Flaw::OtherStamp, "the timestamp is of something else"),
        (Flaw::OtherEntry, "inclusion proof"),
        (Flaw::Path, "inclusion proof"),
        (Flaw::Checkpoint, "checkpoint"),
        (Flaw::Signature, "the signature is wrong"),
        (Flaw::Timestamp, "(SCT)"),
    ] {
        let name = format!("second-{flaw:?}").to_lowercase();
        let digest = push(&registry, &name, "1").await?;
        ours.sign_second(&registry, &name, &digest, &times, flaw).await?;
        again(&space, repository(&registry.url(&name), &digest, &by("ours"))).await?;
        refused(&space, part).await.with_context(|| name.clone())?;
        let (opinion, _) =
            cosign.accepts_identity(&root, "^https://issuer", "org/app", &at(&name, &digest))?;
        ensure!(!opinion, "cosign accepts {name}");
    }

    // Notation: a policy that names a store of authorities of time wants their word.
    let right = notation.key("right")?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), times.root())?;
    let flags = [
        format!("--timestamp-url={}", times.url()),
        format!("--timestamp-root-cert={}", file.path().display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut digests = std::collections::BTreeMap::new();
    for (name, format, flags) in [
        ("jws", "jws", &flags[..]),
        ("cose", "cose", &flags),
        ("bare", "jws", &[]),
    ] {
        let digest = push(&registry, name, "1").await?;
        notation.sign("right", &at(name, &digest), format, flags)?;
        digests.insert(name, digest);
    }
    let text = policy("strict", &json!({"trustStores": ["ca:right", "tsa:times"]}));
    for (name, anchor, part) in [
        ("jws", times.root(), None),
        ("cose", times.root(), None),
        ("bare", times.root(), Some("the signature has no timestamp")),
        (
            "jws",
            others.certificate(),
            Some("the timestamp's signer leads to nobody who is trusted"),
        ),
    ] {
        let data = json!({"trustpolicy.json": text, "a.crt": right, "times.pem": anchor});
        space.apply(secret("trust", &data)).await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust"}});
        again(&space, repository(&registry.url(name), &digests[name], &verify)).await?;
        match part {
            None => accepted(&space, &digests[name]).await,
            Some(part) => refused(&space, part).await,
        }
        .with_context(|| name.to_owned())?;
    }
    Ok(())
}
