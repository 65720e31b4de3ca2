//! `spec.verify.provider: pgp` of HelmCharts: what the real Helm signed is accepted, and what `helm verify` refuses is refused.

use super::secret;
use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{
        Guard, HelmServer, Page, Registry,
        helm::{Signed, Signer, chart, index, package, push},
        oci::USER,
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const KIND: &str = "HelmChart";

fn repository(url: &str, spec: &Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": "repo"},
        "spec": {"interval": "1h", "url": url, "secretRef": {"name": "login"}},
    });
    with(plain, &json!({"spec": spec}))
}

fn helm_chart(name: &str, keys: &str, version: &str) -> Value {
    json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": name},
        "spec": {
            "interval": "1h", "chart": "web", "version": version,
            "sourceRef": {"kind": "HelmRepository", "name": "repo"},
            "verify": {"provider": "pgp", "secretRef": {"name": keys}},
        },
    })
}

/// Waits until an object of this spec is proven by a key, or refused with these words; gives it.
async fn judged(space: &Space<'_>, name: &str, wanted: Result<&str, &str>) -> Result<Value> {
    let status = if wanted.is_ok() { "True" } else { "False" };
    let told = |o: &Value| {
        let verified = expect::condition(o, "SourceVerified");
        let (ready, now) = (expect::verdict(o), &o["metadata"]["generation"]);
        let part = wanted.err().unwrap_or_default();
        ready.is_some_and(|v| v.status == status && v.message.contains(part))
            && verified.is_some_and(|v| v.status == status)
            // A pass that failed has not observed anything.
            && (wanted.is_err() || o["status"]["observedGeneration"] == *now)
    };
    let what = format!("{name}: {wanted:?}");
    let object = space.holds(&what, SOURCE, KIND, name, told).await?;
    let verified = expect::condition(&object, "SourceVerified").context("a condition")?;
    match wanted {
        Ok(key) => {
            let version = object["status"]["artifact"]["revision"]
                .as_str()
                .unwrap_or_default();
            let text = format!("verified provenance of version {version} with key '{key}'");
            ensure!(
                (verified.reason.as_str(), verified.message) == ("Succeeded", text),
                "{object}"
            );
        }
        Err(part) => {
            ensure!(verified.reason == "VerificationError", "{verified:?}");
            ensure!(verified.message.contains(part), "{verified:?}");
            let ready = expect::verdict(&object).context("a verdict")?;
            let begin = "chart verification error: ";
            ensure!(
                ready.message.starts_with(begin) && !ready.message.contains(USER.1),
                "{ready:?}"
            );
        }
    }
    Ok(object)
}

/// Keys in a Secret: armored, in binary, and among what is none.
async fn trust(space: &Space<'_>, name: &str, signers: &[&Signer]) -> Result<()> {
    let mut data = json!({"note.txt": STANDARD.encode("no keys at all")});
    for (number, signer) in signers.iter().enumerate() {
        let ring = if number % 2 == 0 {
            signer.armored()?.into_bytes()
        } else {
            signer.binary()?
        };
        data[format!("{number}.asc")] = json!(STANDARD.encode(ring));
    }
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data});
    space.apply(object).await
}

async fn login(space: &Space<'_>) -> Result<()> {
    space
        .apply(secret("login", &json!({"username": USER.0, "password": USER.1})))
        .await
}

/// Serves signed charts, each with its digest in the index.
fn serve(server: &HelmServer, charts: &[&Signed]) {
    let versions: Vec<&str> = charts.iter().map(|signed| version(signed)).collect();
    let entries: Vec<(&str, &str, &str)> = charts
        .iter()
        .zip(&versions)
        .map(|(signed, version)| ("web", *version, signed.file.as_str()))
        .collect();
    let mut text = String::from_utf8(index(&entries)).unwrap_or_default();
    for signed in charts {
        let digest = hex::encode(Sha256::digest(&signed.archive));
        let urls = format!("urls: ['{}']", signed.file);
        text = text.replace(&urls, &format!("{urls}, digest: {digest}"));
        server.put(&format!("/{}", signed.file), Page::Plain(signed.archive.clone()));
        let provenance = Page::Plain(signed.provenance.clone());
        server.put(&format!("/{}.prov", signed.file), provenance);
    }
    server.put("/index.yaml", Page::Known(text.into_bytes()));
}

fn text(signed: &Signed) -> String {
    String::from_utf8_lossy(&signed.provenance).into_owned()
}

/// Ways to change a chart and its provenance file, what becomes of each, and what is told of it.
async fn changes(
    right: &Signer,
    other: &Signer,
    expired: &Signer,
) -> Result<Vec<(Signed, Option<&'static str>)>> {
    let mut made = Vec::new();
    let mut number = 0;
    let mut of = async |signer: &Signer| {
        number += 1;
        signer.package(&chart("web", &format!("1.0.{number}"))).await
    };
    made.push((of(right).await?, None));
    made.push((
        of(other).await?,
        Some("is by a key that is not among those given"),
    ));
    made.push((of(expired).await?, Some("has expired")));

    let tampered = package(&chart("web", "9.9.9")).await?;
    made.push((
        Signed {
            archive: tampered,
            ..of(right).await?
        },
        Some("the chart is not the one that was signed"),
    ));

    let digest = |signed: &Signed| format!("sha256:{}", hex::encode(Sha256::digest(&signed.archive)));
    let list =
        |signed: &Signed, files: &str| right.sign(&format!("name: web\n\n...\n{files}\n# {}", signed.file));
    let mut change = async |part, edit: &dyn Fn(&Signed) -> Result<Vec<u8>>| {
        let mut signed = of(right).await?;
        signed.provenance = edit(&signed)?;
        made.push((signed, part));
        anyhow::Ok(())
    };
    let edited = |from: &'static str, to: &'static str| {
        move |signed: &Signed| -> Result<Vec<u8>> {
            ensure!(text(signed).contains(from), "{}", text(signed));
            Ok(text(signed).replace(from, to).into_bytes())
        }
    };
    change(
        Some("does not match the signed text"),
        &edited("name: web", "name: wob"),
    )
    .await?;
    change(
        Some("does not match the signed text"),
        &edited("sha256:", "sha256:0"),
    )
    .await?;
    change(
        Some("malformed: its head"),
        &edited("Hash: SHA512", "Charset: utf-8"),
    )
    .await?;
    change(
        Some("its signature has no end"),
        &edited("-----END PGP SIGNATURE-----", ""),
    )
    .await?;
    change(Some("has no message that is signed"), &|_| {
        Ok(b"<html>not here</html>".to_vec())
    })
    .await?;
    change(Some("the provenance file is empty"), &|_| Ok(Vec::new())).await?;
    change(None, &|signed| {
        Ok(text(signed).replace('\n', "\r\n").into_bytes())
    })
    .await?;
    change(None, &|signed| {
        let around = format!("files: {{{}: x}}", signed.file);
        Ok(format!("{around}\n{}{around}\n", text(signed)).into_bytes())
    })
    .await?;
    // Two messages: the first counts, whatever the second is.
    change(None, &|signed| {
        Ok([signed.provenance.clone(), other.sign("x\n...\nfiles: {}")?].concat())
    })
    .await?;
    change(Some("is by a key that is not among those given"), &|signed| {
        Ok([
            other.sign("x\n...\nfiles: {}")?,
            b"\n".to_vec(),
            signed.provenance.clone(),
        ]
        .concat())
    })
    .await?;
    // The signature is right, and the list is not.
    change(Some("it names 'web-1.0.0.tgz'"), &|signed| {
        list(signed, &format!("files: {{web-1.0.0.tgz: '{}'}}", digest(signed)))
    })
    .await?;
    change(Some("was signed"), &|signed| {
        list(signed, &format!("files: {{{}: 'sha512:00'}}", signed.file))
    })
    .await?;
    change(Some("the signed text has no list of files"), &|_| {
        right.sign("name: web")
    })
    .await?;
    change(Some("cannot be read"), &|signed| list(signed, "files: [")).await?;
    let of_chart = |signed: &Signed, chart: &str| {
        let files = format!("files: {{{}: '{}'}}", signed.file, digest(signed));
        right.sign(&format!("{chart}\n...\n{files}\n...\nfiles: {{}}"))
    };
    // Lines that are escaped, and a third section that counts for nothing.
    change(None, &|signed| {
        let version = version(signed);
        of_chart(
            signed,
            &format!("name: web\nversion: {version}\nkeywords:\n- a\n- '--- b'"),
        )
    })
    .await?;
    // What Helm does not look at, which is told of a file and not of a chart.
    change(OF_OURS, &|signed| of_chart(signed, "name: web\nversion: 0.0.1")).await?;
    change(OF_OURS, &|signed| {
        let version = version(signed);
        of_chart(signed, &format!("name: other\nversion: {version}"))
    })
    .await?;
    Ok(made)
}

/// What is refused of what Helm takes.
const OF_OURS: Option<&str> = Some("the provenance file is of the chart");

fn version(signed: &Signed) -> &str {
    signed.file.trim_start_matches("web-").trim_end_matches(".tgz")
}

#[tokio::test]
async fn over_http_it_is_as_helm_decides() -> Result<()> {
    let space = World::shared().await?.space("provenance-http").await?;
    let server = HelmServer::start().await?;
    server.guard(true);
    login(&space).await?;
    let (right, other, expired) = (Signer::new()?, Signer::new()?, Signer::expired()?);
    trust(&space, "keys", &[&expired, &right]).await?;
    let cases = changes(&right, &other, &expired).await?;
    serve(
        &server,
        &cases.iter().map(|(signed, _)| signed).collect::<Vec<_>>(),
    );
    space.apply(repository(&server.url(""), &json!({}))).await?;
    for (number, (signed, _)) in cases.iter().enumerate() {
        space
            .apply(helm_chart(&format!("web-{number}"), "keys", version(signed)))
            .await?;
    }
    for (number, (signed, refusal)) in cases.iter().enumerate() {
        let id = right.id();
        let wanted = refusal.map_or(Ok(id.as_str()), Err);
        let object = judged(&space, &format!("web-{number}"), wanted).await?;
        let helm = signed.accepted(&[&right, &expired]).await?;
        ensure!(
            helm == (refusal.is_none() || *refusal == OF_OURS),
            "Helm thinks otherwise ({helm}) of {}:\n{}",
            signed.file,
            text(signed)
        );
        ensure!(
            object["status"]["artifact"].is_object() == refusal.is_none(),
            "{object}"
        );
        let asked = server.seen(&format!("/{}.prov", signed.file));
        ensure!(
            !asked.is_empty() && asked.iter().all(|seen| seen.status == 200),
            "with the login: {asked:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_index_cannot_give_another_chart_that_was_signed() -> Result<()> {
    let space = World::shared().await?.space("provenance-name").await?;
    let server = HelmServer::start().await?;
    server.guard(true);
    login(&space).await?;
    let right = Signer::new()?;
    trust(&space, "keys", &[&right]).await?;
    let other = right.package(&chart("other", "1.0.0")).await?;
    serve(&server, &[&other]);
    // All of it is right, but that the index has it among those of another name.
    let digest = hex::encode(Sha256::digest(&other.archive));
    let entry = format!(
        "{{apiVersion: v2, name: other, version: 1.0.0, urls: ['{}'], digest: {digest}}}",
        other.file
    );
    let lies = format!("apiVersion: v1\nentries:\n  web:\n  - {entry}\n");
    server.put("/index.yaml", Page::Known(lies.into_bytes()));
    space.apply(repository(&server.url(""), &json!({}))).await?;
    space.apply(helm_chart("web", "keys", "1.0.0")).await?;
    let object = judged(
        &space,
        "web",
        Err("the provenance file is of the chart 'other 1.0.0', not of 'web 1.0.0'"),
    )
    .await?;
    ensure!(object["status"]["artifact"].is_null(), "{object}");
    Ok(())
}

#[tokio::test]
async fn a_provenance_file_that_is_away_or_without_end_says_so() -> Result<()> {
    let space = World::shared().await?.space("provenance-away").await?;
    let (server, elsewhere) = (HelmServer::start().await?, HelmServer::start().await?);
    server.guard(true);
    login(&space).await?;
    let right = Signer::new()?;
    trust(&space, "keys", &[&right]).await?;
    space
        .apply(secret("empty", &json!({"a.sshpub": right.armored()?})))
        .await?;
    let mut charts = Vec::new();
    for version in ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4"] {
        charts.push(right.package(&chart("web", version)).await?);
    }
    serve(&server, &charts.iter().collect::<Vec<_>>());
    elsewhere.put("/prov", Page::Plain(charts[4].provenance.clone()));
    let moved = vec![("Location", elsewhere.other_url("/prov"))];
    for (at, page) in [
        (0, Page::Status(404, vec![])),
        (1, Page::Endless(vec![b'x'; 1 << 16])),
        (2, Page::Claims(1 << 40)),
        (3, Page::Hang),
        (4, Page::Status(302, moved)),
    ] {
        server.put(&format!("/{}.prov", charts[at].file), page);
    }
    let whole = repository(&server.url(""), &json!({"timeout": "4s"}));
    space.apply(whole).await?;
    let away = "failed to get the provenance file of the chart: ";
    let missing = format!(
        "{away}failed to fetch {} : 404 Not Found",
        server.url(&format!("/{}.prov", charts[0].file))
    );
    let large = "exceeds the maximum provenance file size of 1048576 bytes";
    let id = right.id();
    for (name, keys, version, wanted) in [
        ("missing", "keys", "1.0.0", Err(missing.as_str())),
        ("endless", "keys", "1.0.1", Err(large)),
        ("claims", "keys", "1.0.2", Err(large)),
        (
            "hangs",
            "keys",
            "1.0.3",
            Err("no answer within the timeout of 4s"),
        ),
        ("moved", "keys", "1.0.4", Ok(id.as_str())),
        (
            "keyless",
            "empty",
            "1.0.4",
            Err("no OpenPGP public keys found in secret 'provenance-away/empty'"),
        ),
        (
            "secretless",
            "none",
            "1.0.4",
            Err("failed to get secret 'provenance-away/none'"),
        ),
    ] {
        space.apply(helm_chart(name, keys, version)).await?;
        judged(&space, name, wanted).await?;
    }
    let told = elsewhere.seen("/prov");
    ensure!(
        told.iter().all(|seen| seen.authorization.is_none()),
        "the login stays at home: {told:?}"
    );

    // It is served again, and what was refused is proven.
    server.put(
        &format!("/{}.prov", charts[0].file),
        Page::Plain(charts[0].provenance.clone()),
    );
    space.request(SOURCE, KIND, "missing").await?;
    judged(&space, "missing", Ok(&id)).await?;

    // What makes no sense is refused at the door.
    let bare = with(
        helm_chart("odd", "keys", "*"),
        &json!({"spec": {"verify": {"secretRef": null}}}),
    );
    let git = json!({"spec": {"sourceRef": {"kind": "GitRepository", "name": "app"}}});
    for (object, part) in [
        (bare, "the provider 'pgp' needs a secretRef"),
        (
            with(helm_chart("odd", "keys", "*"), &git),
            "verify goes only with a sourceRef of the kind 'HelmRepository'",
        ),
    ] {
        let refusal = space.apply(object).await.err().context("it is refused")?;
        ensure!(format!("{refusal:#}").contains(part), "{refusal:#}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_proven_is_asked_for_once_and_by_each_objects_own_keys() -> Result<()> {
    let space = World::shared().await?.space("provenance-once").await?;
    let server = HelmServer::start().await?;
    server.guard(true);
    login(&space).await?;
    let (right, other) = (Signer::new()?, Signer::new()?);
    trust(&space, "right", &[&right]).await?;
    trust(&space, "other", &[&other]).await?;
    let signed = right.package(&chart("web", "1.0.0")).await?;
    serve(&server, &[&signed]);
    let (archive, provenance) = (format!("/{}", signed.file), format!("/{}.prov", signed.file));
    space.apply(repository(&server.url(""), &json!({}))).await?;
    let prod = json!({"spec": {"valuesFiles": ["prod.yaml"]}});
    space.apply(helm_chart("plain", "right", "1.x")).await?;
    space
        .apply(with(helm_chart("merged", "right", "1.x"), &prod))
        .await?;
    space.apply(helm_chart("theirs", "other", "1.x")).await?;
    let id = right.id();
    judged(&space, "plain", Ok(&id)).await?;
    let merged = judged(&space, "merged", Ok(&id)).await?;
    ensure!(merged["status"]["artifact"]["revision"] == "1.0.0+1", "{merged}");
    judged(&space, "theirs", Err("is by a key that is not among those given")).await?;
    ensure!(server.seen(&archive).len() == 1, "one archive for all");

    // Nothing is new: nothing is asked for. Who is refused is tried again and again.
    space.delete(SOURCE, KIND, "theirs").await?;
    space.gone(SOURCE, KIND, "theirs").await?;
    let before = server.seen(&provenance).len();
    for name in ["plain", "merged"] {
        space.handled(SOURCE, KIND, name).await?;
        judged(&space, name, Ok(&id)).await?;
    }
    ensure!(server.seen(&provenance).len() == before, "it was proven before");

    // Other keys: what was proven is so no more, and is again when the key is back.
    trust(&space, "right", &[&other]).await?;
    for name in ["plain", "merged"] {
        space.request(SOURCE, KIND, name).await?;
        let object = judged(&space, name, Err("is by a key that is not among those given")).await?;
        ensure!(
            object["status"]["artifact"].is_object(),
            "what was good stays: {object}"
        );
    }
    trust(&space, "right", &[&other, &right]).await?;
    for name in ["plain", "merged"] {
        space.request(SOURCE, KIND, name).await?;
        judged(&space, name, Ok(&id)).await?;
    }

    // Who takes `verify` away is told of no signature.
    let none = json!({"spec": {"verify": null}});
    space.patch(SOURCE, KIND, "plain", none).await?;
    let gone = |o: &Value| {
        expect::condition(o, "SourceVerified").is_none()
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    space
        .holds("no signature is told of", SOURCE, KIND, "plain", gone)
        .await?;
    Ok(())
}

#[tokio::test]
async fn in_registries_it_is_beside_the_archive() -> Result<()> {
    let space = World::shared().await?.space("provenance-oci").await?;
    let guard = Guard {
        login: true,
        ..Guard::default()
    };
    let registry = Registry::start(&guard).await?;
    login(&space).await?;
    let (right, other) = (Signer::new()?, Signer::new()?);
    trust(&space, "right", &[&right]).await?;
    trust(&space, "other", &[&other]).await?;
    let signed = right.package(&chart("web", "1.1.0+build.5")).await?;
    signed.push(&registry, "charts").await?;
    push(&registry, "charts", &package(&chart("web", "1.2.0")).await?, true).await?;
    let first = right.package(&chart("web", "1.3.0")).await?;
    let mut files = chart("web", "1.3.0");
    files.push(("templates/more.yaml".to_owned(), "a: b".to_owned()));
    let tampered = Signed {
        archive: package(&files).await?,
        ..first
    };
    tampered.push(&registry, "charts").await?;
    let mut moved = right.package(&chart("web", "1.4.0")).await?;
    moved.provenance = text(&moved).replace("name: web", "name: wob").into_bytes();
    moved.push(&registry, "charts").await?;
    let spec = json!({"type": "oci", "insecure": true});
    space.apply(repository(&registry.url("charts"), &spec)).await?;
    let id = right.id();
    for (name, keys, version, wanted) in [
        ("good", "right", "1.1.0+build.5", Ok(id.as_str())),
        ("ranged", "right", "1.1.x", Ok(id.as_str())),
        (
            "theirs",
            "other",
            "1.1.x",
            Err("is by a key that is not among those given"),
        ),
        (
            "bare",
            "right",
            "1.2.0",
            Err(
                "manifest does not contain a layer with mediatype application/vnd.cncf.helm.chart.provenance.v1.prov",
            ),
        ),
        (
            "tampered",
            "right",
            "1.3.0",
            Err("the chart is not the one that was signed"),
        ),
        ("edited", "right", "1.4.0", Err("does not match the signed text")),
    ] {
        space.apply(helm_chart(name, keys, version)).await?;
        let object = judged(&space, name, wanted).await?;
        ensure!(
            object["status"]["artifact"].is_object() == wanted.is_ok(),
            "{object}"
        );
    }
    // Those that are refused are tried again and again.
    for name in ["theirs", "bare", "tampered", "edited"] {
        space.delete(SOURCE, KIND, name).await?;
        space.gone(SOURCE, KIND, name).await?;
    }
    let blobs = registry.requests("GET", "/v2/charts/web/blobs/")?;
    space.handled(SOURCE, KIND, "good").await?;
    judged(&space, "good", Ok(&id)).await?;
    ensure!(
        registry.requests("GET", "/v2/charts/web/blobs/")? == blobs,
        "it was proven before"
    );
    Ok(())
}
