//! Notation: what the real notation has signed is judged by the trust policy.

use super::{KIND, accepted, again, policy, push, refused, repository, secret, verified};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::SOURCE,
    origin::{Authority, Guard, Notation, Registry},
    world::World,
};
use serde_json::{Value, json};

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
