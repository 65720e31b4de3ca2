//! Identities at cloud providers: each protocol against a peer that plays the provider's part, and what they open.

mod amazon;
mod azure;
mod google;
pub mod peer;
mod providers;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{SOURCE, with},
    origin::{
        Authority, GcsServer, S3Server, Scripted, Tunnel,
        git::Auth,
        objects::{KEYS, REGION},
    },
    space::Space,
    suite::Options,
    world::World,
};
use peer::{Application, Clouds, GIT, Images, NAMESPACE};
use serde_json::{Value, json};
use std::sync::Arc;

const BUCKET: &str = "Bucket";
const OCI: &str = "OCIRepository";
const CHART: &str = "HelmChart";

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

fn source(kind: &str, spec: &Value) -> Value {
    let plain =
        json!({"apiVersion": SOURCE, "kind": kind, "metadata": {"name": "app"}, "spec": {"interval": "1h"}});
    with(plain, &json!({"spec": spec}))
}

async fn again(space: &Space<'_>, kind: &str, spec: &Value) -> Result<()> {
    let _ = space.delete(SOURCE, kind, "app").await;
    space.gone(SOURCE, kind, "app").await?;
    space.apply(source(kind, spec)).await
}

async fn ready(space: &Space<'_>, kind: &str, spec: &Value) -> Result<Value> {
    again(space, kind, spec).await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    space
        .holds(&format!("ready: {spec}"), SOURCE, kind, "app", ready)
        .await
}

/// A chart from a registry that a HelmRepository describes: nobody but the controller itself has a login there.
async fn chart(space: &Space<'_>, repository: &Value) -> Result<()> {
    let oci = with(json!({"type": "oci"}), repository);
    again(space, "HelmRepository", &oci).await?;
    let source = json!({"kind": "HelmRepository", "name": "app"});
    let spec = json!({"chart": "web", "version": "1.0.0", "sourceRef": source});
    again(space, CHART, &spec).await
}

async fn charted(space: &Space<'_>, repository: &Value) -> Result<()> {
    chart(space, repository).await?;
    let at = |o: &Value| {
        o["status"]["artifact"]["revision"] == "1.0.0"
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    let what = format!("a chart of {repository}");
    space.holds(&what, SOURCE, CHART, "app", at).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identities_open_buckets_and_registries() -> Result<()> {
    let application = Application::new()?;
    let clouds = Arc::new(Clouds {
        public: application.public.clone(),
        images: Images::new().await?,
    });
    let (played, told) = (clouds.clone(), clouds.clone());
    let peer = Scripted::start(move |asked| told.answer(asked)).await?;
    // Event Hubs are where their names say, behind certificates that the controller trusts.
    let (trust, trusted) = (Authority::new()?, tempfile::NamedTempFile::new()?);
    std::fs::write(trusted.path(), trust.certificate())?;
    let server = trust.server(&[NAMESPACE])?;
    let hubs = Scripted::start_tls(server, move |asked| played.answer(asked)).await?;
    let directory = Authority::new()?;
    let server = directory.server(&["127.0.0.1"])?;
    let safe = Scripted::start_tls(server, move |asked| clouds.answer(asked)).await?;
    let to_hubs = Tunnel::start(Some(hubs.address())).await?;
    let gcs = GcsServer::start().await?;
    let environment = tempfile::NamedTempFile::new()?;
    let own = json!({
        "containerRegistryDNSSuffix": peer.address(), "resourceManagerEndpoint": "https://management.example.com",
        "tokenAudience": "https://management.example.com",
    });
    std::fs::write(environment.path(), own.to_string())?;
    let url = peer.url();
    let world = World::start(&Options {
        source: vec![
            "--feature-gates=ObjectLevelWorkloadIdentity=true".into(),
            "--log-level=trace".into(),
        ],
        notification: vec![
            "--feature-gates=ObjectLevelWorkloadIdentity=true".into(),
            "--log-level=trace".into(),
        ],
        env: vec![
            ("AWS_REGION", REGION.into()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.clone()),
            ("AWS_ENDPOINT_URL_STS", format!("{url}/sts")),
            ("AWS_ENDPOINT_URL_ECR", format!("{url}/ecr")),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.clone()),
            ("AZURE_AUTHORITY_HOST", url.clone()),
            (
                "AZURE_ENVIRONMENT_FILEPATH",
                environment.path().display().to_string(),
            ),
            ("GCE_METADATA_HOST", peer.address()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", format!("{url}/gcpsts/")),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", url.clone()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB", url.clone()),
            ("STORAGE_EMULATOR_HOST", gcs.endpoint()),
            ("SSL_CERT_FILE", trusted.path().display().to_string()),
        ],
        ..Options::default()
    })
    .await?;
    let space = world.space("cloud").await?;
    let account = |name: &str, notes: Value| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "annotations": notes}});
    space
        .apply(account("reader", json!({
            "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/reader",
            "azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": "client",
            "gcp.auth.fluxcd.io/workload-identity-provider": "projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "iam.gke.io/gcp-service-account": "reader@project.iam.gserviceaccount.com",
        })))
        .await?;
    space.apply(account("nobody", json!({}))).await?;
    let (tenant, client) = ("tenant", "client");
    let both = format!("{}{}", application.certificate, application.private);
    let locked = format!("{}{}", application.certificate, application.encrypted("right")?);
    for (name, data) in [
        ("ldap", json!({"username": "me", "password": "right"})),
        ("ldap-wrong", json!({"username": "me", "password": "canary"})),
        ("directory", json!({"ca.crt": directory.certificate()})),
        ("sas", json!({"sasKey": "?sv=1&sig=canary%2Fsas%3D"})),
        ("sas-wrong", json!({"sasKey": "sv=1&sig=canary"})),
        ("managed", json!({"clientId": "managed"})),
        (
            "secret",
            json!({"tenantId": tenant, "clientId": client, "clientSecret": "right", "authorityHost": url}),
        ),
        (
            "secret-wrong",
            json!({"tenantId": tenant, "clientId": client, "clientSecret": "canary", "authorityHost": url}),
        ),
        (
            "certificate",
            json!({"tenantId": tenant, "clientId": client, "clientCertificate": both, "authorityHost": url}),
        ),
        (
            "locked",
            json!({
                "tenantId": tenant, "clientId": client, "clientCertificate": locked, "clientCertificatePassword": "right",
                "authorityHost": url,
            }),
        ),
        (
            "locked-wrong",
            json!({
                "tenantId": tenant, "clientId": client, "clientCertificate": locked, "clientCertificatePassword": "canary",
                "authorityHost": url,
            }),
        ),
        (
            "unsafe",
            json!({"tenantId": tenant, "clientId": client, "clientSecret": "canary", "authorityHost": "http://example.com"}),
        ),
        ("proxy", json!({"address": url})),
        ("hubs", json!({"address": to_hubs.url()})),
        (
            "key",
            json!({"serviceaccount": json!({
            "type": "service_account", "client_email": "reader@project.iam.gserviceaccount.com", "private_key_id": "k",
            "private_key": application.private, "token_uri": format!("{url}/gcp/token"),
        }).to_string()}),
        ),
        (
            "program",
            json!({"serviceaccount": json!({
            "type": "external_account", "credential_source": {"file": "/var/run/secrets/canary"},
        }).to_string()}),
        ),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let s3 = S3Server::start(None).await?;
    s3.create("app").await?;
    s3.put("app", "a.yaml", app::config_map("a", "1")).await?;
    gcs.create("app").await?;
    gcs.put("app", "a.yaml", &app::config_map("a", "1")).await?;
    gcs.put("app", "b/c.yaml", &app::config_map("c", "1")).await?;

    let amazon = json!({"provider": "aws", "bucketName": "app", "endpoint": s3.endpoint(), "insecure": true, "region": REGION});
    let google = json!({"provider": "gcp", "bucketName": "app", "endpoint": "storage.googleapis.com"});
    let azure = json!({"provider": "azure", "bucketName": "app", "endpoint": format!("{url}/blobs")});
    let minio = with(
        amazon.clone(),
        &json!({"provider": "generic", "sts": {"provider": "ldap", "endpoint": format!("{url}/sts")}}),
    );
    let minio_safe = with(
        minio.clone(),
        &json!({"sts": {"endpoint": format!("https://{}/sts", safe.address()), "secretRef": {"name": "ldap"}}}),
    );
    let named = |name: &str| json!({"secretRef": {"name": name}});
    let trusting = |name: &str| json!({"sts": {"certSecretRef": {"name": name}}});
    let acting = |name: &str| json!({"serviceAccountName": name});
    for (what, more) in [
        (&amazon, json!({})),
        (&amazon, acting("reader")),
        (&minio, json!({"sts": named("ldap")})),
        (&minio_safe, trusting("directory")),
        (&google, named("key")),
        (&azure, named("sas")),
        (&azure, named("managed")),
        (&azure, named("secret")),
        (&azure, named("certificate")),
        (&azure, named("locked")),
        (&azure, acting("reader")),
    ] {
        ready(&space, BUCKET, &with(what.clone(), &more)).await?;
    }
    let refused = "AuthenticationFailed";
    let failed = "BucketOperationFailed";
    for (what, more, reason, part) in [
        (
            &amazon,
            acting("nobody"),
            refused,
            "invalid eks.amazonaws.com/role-arn annotation",
        ),
        (
            &amazon,
            acting("absent"),
            refused,
            "failed to get service account 'cloud/absent'",
        ),
        (
            &amazon,
            json!({"sts": {"provider": "aws", "endpoint": "https://sts.example.com"}}),
            refused,
            "invalid STS endpoint",
        ),
        (
            &minio,
            json!({"sts": named("ldap-wrong")}),
            failed,
            "failed to get credentials from",
        ),
        (&minio_safe, json!({}), failed, "certificate"),
        // Whom to trust at the store is another matter.
        (
            &minio_safe,
            json!({"certSecretRef": {"name": "directory"}}),
            failed,
            "certificate",
        ),
        (
            &google,
            named("program"),
            refused,
            "is no key of a service account",
        ),
        (
            &google,
            json!({"bucketName": "nowhere", "secretRef": {"name": "key"}}),
            failed,
            "bucket 'nowhere' not found",
        ),
        (
            &azure,
            named("sas-wrong"),
            failed,
            "might lack sufficient permissions",
        ),
        (
            &azure,
            named("secret-wrong"),
            refused,
            "failed to create token credential from 'secret-wrong' Secret",
        ),
        (
            &azure,
            named("locked-wrong"),
            refused,
            "'clientCertificatePassword' does not decrypt the private key",
        ),
        (
            &azure,
            named("unsafe"),
            refused,
            "is no authority: it must be an https URL",
        ),
        (&azure, acting("nobody"), refused, "azure tenant ID is not set"),
        // A token is for every account that its identity may read: whoever gets it may read them all.
        (
            &azure,
            with(named("managed"), &json!({"endpoint": "https://evil.example.com"})),
            refused,
            "is not sent there",
        ),
        (
            &azure,
            with(named("secret"), &json!({"endpoint": "http://evil.example.com"})),
            refused,
            "non TLS protected",
        ),
        // A proxy decides where 127.0.0.1 is, and hears what is not encrypted.
        (
            &azure,
            with(named("managed"), &json!({"proxySecretRef": {"name": "proxy"}})),
            refused,
            "is not sent over a proxy without TLS",
        ),
    ] {
        let spec = with(what.clone(), &more);
        again(&space, BUCKET, &spec).await?;
        let told = space.says(SOURCE, BUCKET, "app", reason, part).await;
        let told = told.with_context(|| format!("case {spec}"))?;
        ensure!(
            !told.message.contains("canary%") && !told.message.contains("sig="),
            "{told:?}"
        );
    }

    // What the machine tells of itself does not go over a proxy that a tenant names.
    let spy = Scripted::start(|_| axum::http::Response::new(axum::body::Body::from("canary"))).await?;
    space.apply(secret("spy", &json!({"address": spy.url()}))).await?;
    let elsewhere = with(
        azure.clone(),
        &json!({"endpoint": "https://a.blob.core.windows.net"}),
    );
    for (spied, reason) in [(&amazon, failed), (&elsewhere, failed)] {
        let told = |peer: &Scripted| {
            let keys = |path: &str| path.starts_with("/latest/") || path.starts_with("/metadata/");
            peer.asked().iter().filter(|asked| keys(&asked.path)).count()
        };
        let before = told(&peer);
        let through = with(spied.clone(), &json!({"proxySecretRef": {"name": "spy"}}));
        again(&space, BUCKET, &through).await?;
        space.says(SOURCE, BUCKET, "app", reason, "").await?;
        ensure!(
            told(&spy) == 0 && told(&peer) > before,
            "{spied}: {:?}",
            spy.asked()
        );
    }
    ensure!(
        !spy.asked().is_empty(),
        "the bucket itself is asked through the proxy"
    );

    // Who names nobody acts as the controller, whose identity is not the object's own.
    let nobody = json!({"serviceAccountName": "", "endpoint": "https://evil.example.com"});
    again(&space, BUCKET, &with(azure.clone(), &nobody)).await?;
    space
        .says(SOURCE, BUCKET, "app", refused, "is not sent there")
        .await?;

    git_repositories(&space, &world).await?;
    providers::are_told(&space, &peer, &hubs).await?;

    // Registries of the providers, over a proxy that leads to all of them.
    let through = json!({"insecure": true, "proxySecretRef": {"name": "proxy"}});
    let elastic = json!({"url": "oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com/app", "provider": "aws"});
    let google = json!({"url": "oci://gcr.io/org/app", "provider": "gcp"});
    let authority = Authority::new()?;
    space
        .apply(secret("authority", &json!({"ca.crt": authority.certificate()})))
        .await?;
    let cases = [
        with(with(elastic.clone(), &through), &acting("reader")),
        with(
            json!({"url": "oci://eu.gcr.io/org/app", "provider": "gcp", "serviceAccountName": "reader"}),
            &through,
        ),
        json!({"url": format!("oci://{}/app", peer.address()), "provider": "azure"}),
    ];
    for spec in &cases {
        ready(&space, OCI, spec).await?;
    }
    // What is got for an identity is kept: a second pass asks for nothing of it.
    let exchanges = || {
        peer.asked()
            .iter()
            .filter(|asked| asked.path == "/oauth2/exchange" || asked.path.starts_with("/metadata/"))
            .count()
    };
    let before = exchanges();
    space.handled(SOURCE, OCI, "app").await?;
    ensure!(
        exchanges() == before && before > 0,
        "tokens are kept: {before} {}",
        exchanges()
    );
    // The controller's own logins are heard by nobody: over TLS a proxy learns the name of the host.
    let spied = json!({"proxySecretRef": {"name": "spy"}});
    // Another registry than above: what was got for that one is kept.
    let fresh = json!({"url": "oci://210987654321.dkr.ecr.eu-west-1.amazonaws.com/app", "provider": "aws"});
    for (spec, path) in [(&fresh, "/ecr"), (&google, "/computeMetadata/")] {
        let told = || {
            peer.asked()
                .iter()
                .filter(|asked| asked.path.starts_with(path))
                .count()
        };
        let (before, heard) = (told(), spy.asked().len());
        again(&space, OCI, &with(spec.clone(), &spied)).await?;
        space
            .says(SOURCE, OCI, "app", "OCIArtifactPullFailed", "")
            .await?;
        let words = spy.asked().split_off(heard);
        ensure!(
            told() > before && words.iter().all(|asked| asked.header("authorization").is_empty()),
            "{spec}: {words:?}"
        );
    }
    for (spec, part) in [
        (
            with(elastic.clone(), &through),
            "is not sent without TLS (insecure)",
        ),
        (
            with(google.clone(), &through),
            "is not sent without TLS (insecure)",
        ),
        (
            with(
                google,
                &json!({"certSecretRef": {"name": "authority"}, "proxySecretRef": {"name": "spy"}}),
            ),
            "is not sent over certificates that the object names",
        ),
        (
            json!({
                "url": format!("oci://{}/app", peer.address()), "provider": "azure", "proxySecretRef": {"name": "spy"},
            }),
            "is not sent over a proxy without TLS",
        ),
        (
            json!({"url": "oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.org/app", "provider": "aws"}),
            "invalid AWS registry",
        ),
        (
            json!({"url": "oci://gcr.io.evil.org/app", "provider": "gcp"}),
            "invalid GCP registry",
        ),
        (
            json!({"url": "oci://app.azurecr.io.evil.org/app", "provider": "azure"}),
            "invalid Azure registry",
        ),
        (
            with(elastic, &acting("nobody")),
            "failed to get credential from aws: invalid eks.amazonaws.com/role-arn",
        ),
    ] {
        again(&space, OCI, &spec).await?;
        space
            .says(SOURCE, OCI, "app", refused, part)
            .await
            .with_context(|| spec.to_string())?;
    }
    // A chart's registry is opened in the same way, and what is told of it goes no other way either.
    let charts = format!("oci://{}/charts", peer.address());
    charted(&space, &json!({"url": charts, "provider": "azure"})).await?;
    let google = json!({"url": "oci://gcr.io/charts", "provider": "gcp"});
    let elastic =
        json!({"url": "oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com/charts", "provider": "aws"});
    let own = json!({"certSecretRef": {"name": "authority"}});
    for (repository, part) in [
        (
            with(google.clone(), &json!({"insecure": true})),
            "is not sent without TLS (insecure)",
        ),
        (
            with(google, &own),
            "is not sent over certificates that the object names",
        ),
        (
            with(elastic, &own),
            "is not sent over certificates that the object names",
        ),
        (
            json!({"url": "oci://gcr.io.evil.org/charts", "provider": "gcp"}),
            "invalid GCP registry",
        ),
    ] {
        chart(&space, &repository).await?;
        let told = space.says(SOURCE, CHART, "app", refused, part).await;
        told.with_context(|| repository.to_string())?;
    }
    // Nothing of a secret is in the log, however much that tells.
    let logs = [world.suite.source.log(), world.suite.notification.log()];
    let log = logs
        .map(std::fs::read_to_string)
        .into_iter()
        .collect::<Result<String, _>>()?;
    for word in [
        KEYS.1,
        "canary%2Fsas",
        "canary/sas",
        "google-key",
        GIT,
        "google-machine",
        "google-federated",
        "ecr-password",
        "BEGIN PRIVATE",
        "BEGIN ENCRYPTED",
    ] {
        ensure!(!log.contains(word), "the log tells '{word}'");
    }
    Ok(())
}

/// Azure DevOps lets in who has a token of Entra ID for it; nobody else's server gets one of the controller's own.
async fn git_repositories(space: &Space<'_>, world: &World) -> Result<()> {
    const KIND: &str = "GitRepository";
    let authority = json!({"ca.crt": Authority::new()?.certificate()});
    space.apply(secret("git-authority", &authority)).await?;
    let commit = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    world.git.set_auth(Auth::Bearer(GIT.to_owned()));
    for more in [json!({}), json!({"serviceAccountName": "reader"})] {
        let spec = with(json!({"provider": "azure"}), &more);
        space.git_repository(json!({"spec": spec})).await?;
        let ready = |o: &Value| {
            let revision = o["status"]["artifact"]["revision"].as_str();
            revision.is_some_and(|revision| revision.ends_with(&commit))
                && expect::verdict(o).is_some_and(|v| v.status == "True")
        };
        space
            .holds(&format!("ready: {spec}"), SOURCE, KIND, "app", ready)
            .await?;
        space.delete(SOURCE, KIND, "app").await?;
        space.gone(SOURCE, KIND, "app").await?;
    }
    for (spec, part) in [
        (
            json!({"provider": "azure", "url": "https://evil.example.com/app.git"}),
            "'evil.example.com' is not Azure DevOps",
        ),
        // Who names the certificates, and a proxy that gives them, is Azure DevOps.
        (
            json!({
                "provider": "azure", "url": "https://dev.azure.com/org/project/_git/app",
                "secretRef": {"name": "git-authority"}, "proxySecretRef": {"name": "spy"},
            }),
            "is not sent over certificates that the object names",
        ),
        (
            json!({
                "provider": "aws", "url": "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app",
                "secretRef": {"name": "git-authority"}, "proxySecretRef": {"name": "spy"},
            }),
            "is not sent over certificates that the object names",
        ),
        (
            json!({"provider": "azure", "proxySecretRef": {"name": "spy"}}),
            "is not sent over a proxy without TLS",
        ),
        (
            json!({"provider": "azure", "url": "http://evil.example.com/app.git", "serviceAccountName": "reader"}),
            "non TLS protected",
        ),
        (
            json!({"provider": "azure", "serviceAccountName": "nobody"}),
            "azure tenant ID is not set",
        ),
        (
            json!({"provider": "aws"}),
            "invalid AWS CodeCommit URL: '127.0.0.1'",
        ),
        (
            json!({
                "provider": "aws", "serviceAccountName": "nobody",
                "url": "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app",
            }),
            "invalid eks.amazonaws.com/role-arn annotation",
        ),
    ] {
        space.git_repository(json!({"spec": spec})).await?;
        let told = space
            .says(SOURCE, KIND, "app", "AuthenticationFailed", part)
            .await;
        told.with_context(|| spec.to_string())?;
        space.delete(SOURCE, KIND, "app").await?;
        space.gone(SOURCE, KIND, "app").await?;
    }
    world.git.set_auth(Auth::None);
    Ok(())
}
