//! HelmRelease without server-side apply: what was said, what is said and what is live.

use anyhow::{Context as _, Result, ensure};
use apply::{
    built_in::is_built_in,
    three_way::{Shape, merge},
};
use e2e::{charts::Charts, world::World};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

const MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: { {{ .Values.key }}: x }
";

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  strategy: {type: {{ .Values.strategy | default \"RollingUpdate\" }}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: main
          image: main:1
          env: [{name: {{ .Values.key | upper }}, value: ours}]
        {{- if .Values.second }}
        - {name: second, image: second:1}
        {{- end }}
      volumes:
        - name: data
          {{ .Values.volume | default \"emptyDir: {}\" }}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, type: NodePort, ports: [{name: http, port: 80, targetPort: {{ .Values.port | default 80 }}}]}
";

#[tokio::test]
async fn client_side_apply_and_the_way_to_server_side() -> Result<()> {
    let space = World::shared().await?.space("hr-client-side").await?;
    let _charts = Charts::offer(&space, &[("templates/map.yaml", MAP)]).await?;
    let by = |mode: &str, key: &str| json!({"spec": {"install": {"serverSideApply": false}, "upgrade": {"serverSideApply": mode}, "values": {"key": key}}});
    space.helm_release("web", by("auto", "first")).await?;
    space.released("web", 1).await?;
    let manager = |operation: &'static str| {
        move |o: &Value| {
            let entries = o["metadata"]["managedFields"].as_array();
            entries
                .into_iter()
                .flatten()
                .any(|e| e["manager"] == "helm-controller" && e["operation"] == operation)
        }
    };
    space
        .holds("by update", "v1", "ConfigMap", "web", manager("Update"))
        .await?;
    space.helm_release("web", by("auto", "second")).await?;
    space.released("web", 2).await?;
    space
        .holds("the old key is gone", "v1", "ConfigMap", "web", |o| {
            o["data"]["first"].is_null() && o["data"]["second"] == "x"
        })
        .await?;
    space.helm_release("web", by("enabled", "third")).await?;
    space.released("web", 3).await?;
    let applied = |o: &Value| {
        o["data"]["second"].is_null()
            && o["data"]["third"] == "x"
            && manager("Apply")(o)
            && !manager("Update")(o)
    };
    space
        .holds(
            "by apply, and the old key is gone",
            "v1",
            "ConfigMap",
            "web",
            applied,
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn what_others_put_into_lists_stays() -> Result<()> {
    let space = World::shared().await?.space("hr-client-lists").await?;
    let _charts = Charts::offer(&space, &[("templates/web.yaml", DEPLOYMENT)]).await?;
    let by = |values: Value| json!({"spec": {"install": {"serverSideApply": false, "disableWait": true}, "upgrade": {"serverSideApply": "disabled", "disableWait": true}, "values": values}});
    space
        .helm_release("web", by(json!({"key": "first", "second": true})))
        .await?;
    space.released("web", 1).await?;
    let service = space
        .get("v1", "Service", "web")
        .await?
        .context("the Service is there")?;
    let port = service["spec"]["ports"][0]["nodePort"].clone();
    // Somebody puts a container and a variable beside ours.
    let mut live = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .context("the Deployment is there")?;
    let containers = &mut live["spec"]["template"]["spec"]["containers"];
    containers[0]["env"]
        .as_array_mut()
        .context("variables")?
        .push(json!({"name": "THEIRS", "value": "theirs"}));
    containers
        .as_array_mut()
        .context("containers")?
        .push(json!({"name": "side", "image": "side:1"}));
    let change = json!({"spec": {"template": {"spec": {"containers": containers.take()}}}});
    space.patch("apps/v1", "Deployment", "web", change).await?;
    let next =
        json!({"key": "second", "strategy": "Recreate", "volume": "configMap: {name: settings}", "port": 81});
    space.helm_release("web", by(next)).await?;
    space.released("web", 2).await?;
    let live = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .context("the Deployment is there")?;
    let spec = &live["spec"]["template"]["spec"];
    let names = |list: &Value| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        items
            .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    ensure!(
        names(&spec["containers"]) == ["main", "side"]
            && names(&spec["containers"][0]["env"]) == ["THEIRS", "SECOND"]
            && live["spec"]["strategy"] == json!({"type": "Recreate"})
            && spec["volumes"]
                == json!([{"name": "data", "configMap": {"name": "settings", "defaultMode": 420}}]),
        "{live}"
    );
    let service = space
        .get("v1", "Service", "web")
        .await?
        .context("the Service is there")?;
    let ports = json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 81, "nodePort": port}]);
    ensure!(service["spec"]["ports"] == ports, "{service}");
    Ok(())
}

/// What the API server says of all its own kinds is held against what we merge.
#[tokio::test]
async fn lists_merge_as_the_api_server_says() -> Result<()> {
    let cluster = World::shared().await?.cluster().await?;
    let ask = |path: String| {
        let client = cluster.client.clone();
        async move {
            let request = http::Request::get(path).body(Vec::new())?;
            Ok::<Value, anyhow::Error>(client.request(request).await?)
        }
    };
    let index = ask("/openapi/v3".to_owned()).await?;
    let (mut lists, mut wrong) = (0, Vec::new());
    for (path, place) in index["paths"].as_object().context("paths")? {
        let group = path
            .strip_prefix("apis/")
            .map(|rest| rest.split('/').next().unwrap_or_default());
        let own = path == "api/v1"
            || group.is_some_and(|group| is_built_in(group) && path.matches('/').count() == 2);
        if !own {
            continue;
        }
        let url = place["serverRelativeURL"].as_str().context("a URL")?;
        let document = ask(url.to_owned()).await?;
        let schemas = document["components"]["schemas"].as_object().context("schemas")?;
        for schema in schemas.values() {
            for named in schema["x-kubernetes-group-version-kind"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let kind = named["kind"].as_str().unwrap_or_default();
                let whole = schema["properties"]
                    .get("metadata")
                    .is_some_and(|m| m.to_string().contains("ObjectMeta"));
                if whole {
                    let mut walk = Walk {
                        schemas,
                        kind,
                        path: Vec::new(),
                        open: Vec::new(),
                        wrong: Vec::new(),
                        lists: &mut lists,
                    };
                    walk.fields(schema);
                    wrong.extend(walk.wrong.into_iter().map(|w| format!("{path} {kind} {w}")));
                }
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(lists > 1000, "only {lists} lists were looked at");
    Ok(())
}

/// A way through the schemas of a kind, down to each list.
struct Walk<'a> {
    schemas: &'a Map<String, Value>,
    kind: &'a str,
    /// The fields on the way, and whether each is a list.
    path: Vec<(String, bool)>,
    /// The schemas that are being looked at: some hold themselves.
    open: Vec<String>,
    wrong: Vec<String>,
    lists: &'a mut usize,
}

impl Walk<'_> {
    fn fields(&mut self, schema: &Value) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            // Status is not a chart's to say.
            if name == "status" && self.path.is_empty() {
                continue;
            }
            let list = field["type"] == "array";
            self.path.push((name.clone(), list));
            // A list that is replaced as a whole takes all below it along.
            if !list {
                self.below(field);
            } else if self.list(field) {
                self.below(&field["items"]);
            }
            self.path.pop();
        }
    }

    fn below(&mut self, schema: &Value) {
        let reference = schema["$ref"].as_str().or(schema["allOf"][0]["$ref"].as_str());
        let Some(name) = reference.and_then(|r| r.rsplit('/').next()) else {
            return;
        };
        if self.open.iter().any(|open| open == name) {
            return;
        }
        self.open.push(name.to_owned());
        let schemas = self.schemas;
        self.fields(&schemas[name]);
        self.open.pop();
    }

    /// Holds that a list merges if the schema says so, and is replaced if not; tells which.
    fn list(&mut self, field: &Value) -> bool {
        *self.lists += 1;
        let strategy = field["x-kubernetes-patch-strategy"].as_str().unwrap_or_default();
        let key = field["x-kubernetes-patch-merge-key"].as_str();
        let merges = strategy.split(',').any(|word| word == "merge");
        let item = |text: &str| match key {
            Some(key) => json!({ key: text }),
            None => json!(text),
        };
        let object = |item: Value| {
            let mut value = json!([item]);
            for (n, (name, list)) in self.path.iter().enumerate().rev() {
                if n + 1 < self.path.len() && *list {
                    // Lists on the way have the one item, whatever tells it from others.
                    let names: HashMap<&str, &str> = ["name", "ip", "topologyKey", "uid"]
                        .map(|key| (key, "one"))
                        .into();
                    let mut one = json!(names);
                    one.as_object_mut()
                        .into_iter()
                        .for_each(|o| o.extend(value.as_object().cloned().unwrap_or_default()));
                    value = json!([one]);
                }
                value = json!({ name: value });
            }
            value
        };
        let (ours, theirs) = (object(item("ours")), object(item("theirs")));
        let merged = merge(&json!({}), &ours, &theirs, Shape::Kind(self.kind));
        let both = merged.to_string().contains("theirs") && merged.to_string().contains("ours");
        if both != merges {
            let path: Vec<_> = self.path.iter().map(|(name, _)| name.as_str()).collect();
            self.wrong.push(format!(
                "{}: {strategy:?} {key:?}, merged into {merged}",
                path.join(".")
            ));
        }
        merges
    }
}
