//! The same bodies at every type of Receiver, from who can prove himself: whole, in pieces, too large, cut off, no JSON, and of another
//! type of content.

use super::{addresses, requested, tokens};
use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY as SHA1, HMAC_SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{
    flux::SOURCE,
    space::Space,
    suite::Options,
    webhook::{TOKEN, ready, receiver, secret, send, sign},
    world::World,
};
use serde_json::{Value, json};

type Headers = Vec<(&'static str, String)>;
type Proof<'a> = dyn Fn(&str, usize) -> Headers + Send + Sync + 'a;

/// A type of Receiver.
struct Kind<'a> {
    name: &'a str,
    /// What its spec says besides.
    spec: Value,
    /// A body that it takes, under a number that it has not seen.
    body: fn(usize) -> String,
    /// What goes with a body from who knows the token.
    proof: Box<Proof<'a>>,
    /// How a body is answered that is no JSON.
    junk: u16,
    /// How one is answered that says it is plain text, or nothing.
    text: u16,
}

fn plain(n: usize) -> String {
    json!({"action": "push", "repositoryName": n.to_string(), "push_data": {"tag": "v1"}, "docker_url": "quay.io/a/b"})
        .to_string()
}

fn cd_event(n: usize) -> String {
    json!({
        "context": {
            "version": "0.4.1", "id": n.to_string(), "source": "/ci", "type": "dev.cdevents.change.merged.0.2.0",
            "timestamp": "2026-03-20T14:27:05Z",
        },
        "subject": {"id": "change", "type": "change", "content": {}},
    })
    .to_string()
}

fn push(n: usize) -> String {
    let event =
        json!({"action": "INSERT", "digest": "r.io/p/app@sha256:1", "tag": "r.io/p/app:v1"}).to_string();
    json!({"message": {"data": STANDARD.encode(event), "messageId": n.to_string()}}).to_string()
}

fn kind<'a>(
    name: &'a str,
    body: fn(usize) -> String,
    [junk, text]: [u16; 2],
    proof: impl Fn(&str, usize) -> Headers + Send + Sync + 'a,
) -> Kind<'a> {
    Kind {
        name,
        spec: json!({}),
        body,
        proof: Box::new(proof),
        junk,
        text,
    }
}

/// All types, as `ReceiverType` has them.
fn kinds<'a>(bearer: &'a str, anybody: &'a str, oidc: Value) -> Vec<Kind<'a>> {
    let sha1 = |body: &str| sign(SHA1, TOKEN, body);
    let sha256 = |body: &str| format!("sha256={}", sign(HMAC_SHA256, TOKEN, body));
    vec![
        kind("generic", plain, [200, 200], |_, _| Vec::new()),
        kind("generic-hmac", plain, [200, 200], move |body, _| {
            vec![("x-signature", sha256(body))]
        }),
        Kind {
            spec: oidc,
            ..kind("generic-oidc", plain, [200, 200], move |_, _| {
                vec![("authorization", format!("Bearer {anybody}"))]
            })
        },
        kind("github", plain, [200, 400], move |body, n| {
            vec![
                ("x-hub-signature-256", sha256(body)),
                ("x-github-event", "push".into()),
                ("x-github-delivery", n.to_string()),
            ]
        }),
        kind("gitlab", plain, [200, 200], |_, n| {
            vec![
                ("x-gitlab-token", TOKEN.into()),
                ("x-gitlab-event", "Push Hook".into()),
                ("x-gitlab-event-uuid", n.to_string()),
            ]
        }),
        kind("bitbucket", plain, [200, 400], move |body, n| {
            vec![
                ("x-hub-signature", sha256(body)),
                ("x-event-key", "repo:refs_changed".into()),
                ("x-request-id", n.to_string()),
            ]
        }),
        kind("harbor", plain, [200, 200], |_, _| {
            vec![("authorization", TOKEN.into())]
        }),
        kind("dockerhub", plain, [400, 200], |_, _| Vec::new()),
        kind("quay", plain, [400, 200], |_, _| Vec::new()),
        kind("acr", plain, [400, 200], |_, _| Vec::new()),
        kind("gcr", push, [400, 200], move |_, _| {
            vec![("authorization", format!("Bearer {bearer}"))]
        }),
        kind("nexus", plain, [400, 200], move |body, n| {
            vec![
                ("x-nexus-webhook-signature", sha1(body)),
                ("x-nexus-webhook-delivery", n.to_string()),
            ]
        }),
        kind("cdevents", cd_event, [400, 200], |_, _| Vec::new()),
    ]
}

/// Where requests of a kind go, and what they have come to.
struct Door<'a> {
    space: &'a Space<'a>,
    kind: &'a Kind<'a>,
    url: String,
}

impl Door<'_> {
    fn headers(&self, body: &str, n: usize, content_type: Option<&str>) -> Headers {
        let mut headers = (self.kind.proof)(body, n);
        headers.extend(content_type.map(|text| ("content-type", text.to_owned())));
        headers
    }

    /// A request as it is on the wire, with a body that is framed like this.
    async fn wire(&self, headers: &[(&'static str, String)], framed: &str) -> Result<u16> {
        let (base, path) = self.url.split_at(self.url.find("/hook/").context("no path")?);
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let text = format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}{framed}");
        let answer = addresses::raw(base, &text).await?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        // A connection that is closed over a frame that is none has no answer.
        Ok(status.unwrap_or_default())
    }

    /// Holds how a request is answered, and that it has an effect if that is with 200.
    async fn answers(
        &self,
        what: &str,
        expected: &[u16],
        asked: impl Future<Output = Result<u16>>,
    ) -> Result<()> {
        let before = requested(self.space, SOURCE, "GitRepository", "app").await?;
        let status = asked.await?;
        let name = self.kind.name;
        ensure!(
            expected.contains(&status),
            "{name}, {what}: {status}, not {expected:?}"
        );
        let moved = requested(self.space, SOURCE, "GitRepository", "app").await? != before;
        ensure!(moved == (status == 200), "{name}, {what}: asked is {moved}");
        Ok(())
    }
}

fn chunked(body: &str) -> String {
    let (first, second) = body.split_at(body.len() / 2);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    format!(
        "transfer-encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
        chunk(first),
        chunk(second)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_bears_every_body() -> Result<()> {
    let issuer = tokens::Issuer::start().await?;
    let world = World::start(&Options {
        notification: vec![format!("--google-keys-url={}/keys", issuer.url)],
        ..Options::default()
    })
    .await?;
    let space = world.space("webhook-every").await?;
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    let mut credentials = secret(TOKEN);
    credentials["stringData"]["email"] = json!("push@p.iam.gserviceaccount.com");
    credentials["stringData"]["audience"] = json!("https://hooks.example/gcr");
    space.apply(credentials).await?;
    let end = tokens::now()? + 3600;
    let google = issuer.token(&json!({
        "iss": "https://accounts.google.com", "aud": "https://hooks.example/gcr", "exp": end,
        "email": "push@p.iam.gserviceaccount.com", "email_verified": true,
    }))?;
    let anybody = issuer.token(&json!({"iss": issuer.url, "aud": "notification-controller", "exp": end}))?;
    let oidc = json!({"secretRef": null, "oidcProviders": [{
        "issuerURL": issuer.url, "validations": [{"expression": "true", "message": "never"}],
    }]});
    let kinds = kinds(&google, &anybody, oidc);
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    ensure!(names.len() == 13, "each type has a line: {names:?}");

    let json_type = Some("application/json");
    for kind in &kinds {
        space
            .apply(receiver(kind.name, kind.name, &json!({"spec": kind.spec})))
            .await?;
        let url = ready(&space, kind.name).await?;
        let door = Door {
            space: &space,
            kind,
            url,
        };
        let body = kind.body;
        let whole = door.headers(&body(1), 1, json_type);
        door.answers("whole", &[200], send(&door.url, &whole, body(1)))
            .await?;
        let pieces = door.headers(&body(2), 2, json_type);
        door.answers("in pieces", &[200], door.wire(&pieces, &chunked(&body(2))))
            .await?;

        let proof = door.headers(&body(3), 3, json_type);
        let declared = format!("content-length: {}\r\n\r\n", (3 << 20) + 1);
        door.answers("too large, declared", &[413], door.wire(&proof, &declared))
            .await?;
        let large = format!("{}{}", body(3), " ".repeat(3 << 20));
        let signed = door.headers(&large, 3, json_type);
        door.answers(
            "too large, in pieces",
            &[413],
            door.wire(&signed, &chunked(&large)),
        )
        .await?;
        // Frames that are none, and a body that ends before it is whole: no answer, or one that refuses.
        let framed = chunked(&body(3));
        let odd = [
            (
                "a length that is none",
                framed.replacen("\r\n\r\n", "\r\n\r\nzz\r\n", 1),
            ),
            (
                "a length twice",
                format!("content-length: 1\r\ncontent-length: 2\r\n\r\n{}", body(3)),
            ),
        ];
        for (what, framed) in &odd {
            door.answers(what, &[0, 400], door.wire(&proof, framed)).await?;
        }

        // Pieces count, whatever else is said (RFC 9112, 6.3).
        let both = format!("content-length: 5\r\n{}", chunked(&body(9)));
        let headers = door.headers(&body(9), 9, json_type);
        door.answers("a length and pieces", &[200], door.wire(&headers, &both))
            .await?;

        let junk = "{\"no\": json";
        let signed = door.headers(junk, 4, json_type);
        door.answers("no JSON", &[kind.junk], send(&door.url, &signed, junk))
            .await?;
        for (n, content_type) in [
            (5, Some("text/plain")),
            (6, None),
            (7, Some("application/json, text/plain")),
        ] {
            let what = format!("content type {content_type:?}");
            let headers = door.headers(&body(n), n, content_type);
            let framed = format!("content-length: {}\r\n\r\n{}", body(n).len(), body(n));
            door.answers(&what, &[kind.text], door.wire(&headers, &framed))
                .await?;
        }
        // Whatever came before, it takes what is right.
        let last = door.headers(&body(8), 8, json_type);
        door.answers("whole again", &[200], send(&door.url, &last, body(8)))
            .await?;
    }
    Ok(())
}
