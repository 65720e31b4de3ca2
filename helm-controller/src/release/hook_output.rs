//! I/O: what a hook printed, into the controller's log, where its annotation `helm.sh/hook-output-log-policy` asks for it.
//!
//! Helm's command line prints it; a controller's terminal is its log. It goes neither into conditions nor events: what a
//! program prints may be anything, and those go out to chats. Nothing that fails here fails a release.

use super::{objects::Item, session::Session};
use ::apply::id::ObjectRef;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, LogParams},
};
use runtime::telemetry::chain;
use std::time::Duration;
use tracing::{info, warn};

/// The most lines of one container, its last ones.
const LINES: i64 = 100;
/// The most bytes of one container.
const BYTES: i64 = 16 << 10;
/// The most pods of one Job: those that failed before may be many.
const PODS: u32 = 5;
/// The most containers in all.
const CONTAINERS: usize = 10;
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Logs what the pods of a hook printed, in the tenant's name.
pub async fn log(session: &Session, path: &str, items: &[Item]) {
    let client = &session.client.0;
    let (namespace, name) = (&session.job.namespace, &session.job.name);
    for item in items {
        let pods = match pods(client, &item.object).await {
            Ok(pods) => pods,
            Err(error) => {
                warn!(
                    namespace,
                    release = name,
                    hook = path,
                    "no output of the hook: {}",
                    chain(&error)
                );
                continue;
            }
        };
        let api: Api<Pod> = Api::namespaced(client.clone(), &item.object.namespace);
        for (pod, container) in containers(&pods) {
            let params = LogParams {
                container: Some(container.clone()),
                tail_lines: Some(LINES),
                limit_bytes: Some(BYTES),
                ..LogParams::default()
            };
            let answer = tokio::time::timeout(ANSWER, api.logs(&pod, &params)).await;
            match answer {
                Ok(Ok(text)) => {
                    for line in lines(&text) {
                        info!(
                            namespace,
                            release = name,
                            hook = path,
                            pod,
                            container,
                            "hook output: {line}"
                        );
                    }
                }
                Ok(Err(error)) => {
                    warn!(
                        namespace,
                        release = name,
                        hook = path,
                        pod,
                        "no output of the hook: {}",
                        chain(&error)
                    );
                }
                Err(_) => warn!(
                    namespace,
                    release = name,
                    hook = path,
                    pod,
                    "no output of the hook in time"
                ),
            }
        }
    }
}

/// The pods of a hook: it is one, or a Job has them. (Helm finds them by the same label.)
async fn pods(client: &Client, hook: &ObjectRef) -> kube::Result<Vec<Pod>> {
    let selector = match (hook.group.as_str(), hook.kind.as_str()) {
        ("", "Pod") => ListParams::default().fields(&format!("metadata.name={}", hook.name)),
        ("batch", "Job") => ListParams::default().labels(&format!("job-name={}", hook.name)),
        _ => return Ok(Vec::new()),
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), &hook.namespace);
    Ok(api.list(&selector.limit(PODS)).await?.items)
}

fn containers(pods: &[Pod]) -> Vec<(String, String)> {
    let all = pods.iter().flat_map(|pod| {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        containers.map(|c| (pod.name_any(), c.name.clone()))
    });
    all.take(CONTAINERS).collect()
}

/// The lines of an answer, whatever its size; without what a terminal would act on.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let most = usize::try_from(LINES).unwrap_or(0);
    let last = text.lines().count().saturating_sub(most);
    let kept = text.lines().skip(last);
    kept.map(|line| {
        line.chars()
            .filter(|c| !c.is_control() || *c == '\t')
            .take(4096)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_logged_is_bounded_and_plain() {
        let text: String = (0..500).map(|n| format!("line {n}\n")).collect();
        let found: Vec<String> = lines(&text).collect();
        assert_eq!(
            (found.len(), found[0].as_str(), found[99].as_str()),
            (100, "line 400", "line 499")
        );
        let found: Vec<String> = lines("a\u{1b}[31mred\r\nb\tc").collect();
        assert_eq!(found, ["a[31mred", "b\tc"]);
        assert_eq!(lines(&"x".repeat(1 << 20)).map(|l| l.len()).sum::<usize>(), 4096);
        let pod = |name: &str| -> Pod {
            let containers: Vec<_> = (0..4).map(|n| json!({"name": format!("c{n}")})).collect();
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"containers": containers}}))
                .unwrap()
        };
        let found = containers(&[pod("a"), pod("b"), pod("c")]);
        assert_eq!(
            (found.len(), found[9].clone()),
            (CONTAINERS, ("c".to_owned(), "c1".to_owned()))
        );
    }
}
