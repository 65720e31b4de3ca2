//! The record itself: Helm's JSON, field by field and in Helm's order.

mod json;
mod metadata;

use crate::chart::{Chart, Metadata};
use crate::funcs::clock::{Time, Zone};
use crate::funcs::layout;
use crate::hooks::{Event, Hook};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json::{Object, go_json, go_struct};
use serde_json::{Map, Value as Json, json};

/// A release of one revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// When and how.
    pub info: Info,
    /// The chart, as the record holds it; see [`Release::chart_of`].
    pub chart: Json,
    /// The user's values.
    pub config: Map<String, Json>,
    /// Every object, each after a comment that names its template.
    pub manifest: String,
    /// The hooks with their last runs.
    pub hooks: Vec<HookRun>,
    /// The revision, from 1.
    pub version: i64,
    /// The release's namespace.
    pub namespace: String,
    /// `ssa` or `csa`; empty in records of Helm 3, which means `csa`.
    pub apply_method: String,
}

/// When a release was made and what became of it. Times are RFC 3339 as they were written, so that digests hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Info {
    /// When the first revision was.
    pub first_deployed: Option<String>,
    /// When this revision was.
    pub last_deployed: Option<String>,
    /// When it was uninstalled.
    pub deleted: Option<String>,
    /// What happened last, for people.
    pub description: String,
    /// What state it is in.
    pub status: Status,
    /// The revision that this one goes back to.
    pub rollback_revision: i64,
    /// The rendered `NOTES.txt`.
    pub notes: String,
    /// What `helm status --show-resources` stored.
    pub resources: Option<Json>,
}

/// The state of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "Helm's states, by their names")]
pub enum Status {
    #[default]
    Unknown,
    Deployed,
    Uninstalled,
    Superseded,
    Failed,
    Uninstalling,
    PendingInstall,
    PendingUpgrade,
    PendingRollback,
}

/// A hook and its last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// The hook.
    pub hook: Hook,
    /// How it went.
    pub last_run: LastRun,
}

/// How a hook went last time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRun {
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub completed_at: Option<String>,
    /// `Unknown`, `Running`, `Succeeded`, `Failed`; empty before the first run.
    pub phase: String,
}

const STATUSES: [(Status, &str); 9] = [
    (Status::Unknown, "unknown"),
    (Status::Deployed, "deployed"),
    (Status::Uninstalled, "uninstalled"),
    (Status::Superseded, "superseded"),
    (Status::Failed, "failed"),
    (Status::Uninstalling, "uninstalling"),
    (Status::PendingInstall, "pending-install"),
    (Status::PendingUpgrade, "pending-upgrade"),
    (Status::PendingRollback, "pending-rollback"),
];

impl Status {
    /// The name in records and labels.
    pub fn name(self) -> &'static str {
        STATUSES
            .iter()
            .find(|(status, _)| *status == self)
            .map_or("unknown", |(_, name)| name)
    }

    /// The state of that name; one that nobody knows is unknown.
    pub fn parse(name: &str) -> Status {
        STATUSES
            .iter()
            .find(|(_, known)| *known == name)
            .map_or(Status::Unknown, |(status, _)| *status)
    }

    /// True while an action is on its way.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback
        )
    }
}

impl Release {
    /// The record's JSON, with Go's escapes, Helm's order of fields and sorted keys in values.
    pub fn to_json(&self) -> String {
        let mut out = Object::new();
        out.text("name", &self.name);
        out.raw("info", &self.info.to_json());
        out.raw("chart", &go_json(&self.chart));
        if !self.config.is_empty() {
            out.raw("config", &go_json(&Json::Object(self.config.clone())));
        }
        out.text("manifest", &self.manifest);
        if !self.hooks.is_empty() {
            let hooks: Vec<String> = self.hooks.iter().map(HookRun::to_json).collect();
            out.raw("hooks", &format!("[{}]", hooks.join(",")));
        }
        out.int("version", self.version);
        out.text("namespace", &self.namespace);
        out.text("apply_method", &self.apply_method);
        out.finish()
    }

    /// What Flux's digest of a release is taken over: what the record says of the release, without the chart's files
    /// and without tests, which anybody may run at any time. Ends with a newline, as Go's encoder does.
    pub fn observation(&self, oci_digest: Option<&str>) -> String {
        let mut out = Object::new();
        out.always("name", &self.name);
        out.raw("version", &self.version.to_string());
        out.raw("info", &self.info.to_json());
        let metadata = self.chart.get("metadata").cloned().unwrap_or_else(|| json!({}));
        out.raw("chartMetadata", &go_struct(&metadata));
        let config = match self.config.is_empty() {
            true => "null".to_string(),
            false => go_json(&Json::Object(self.config.clone())),
        };
        out.raw("config", &config);
        out.always("manifest", &self.manifest);
        let hooks: Vec<String> = self
            .hooks
            .iter()
            .filter(|run| !run.hook.events.contains(&Event::Test))
            .map(HookRun::to_json)
            .collect();
        let hooks = match hooks.is_empty() {
            true => "null".to_string(),
            false => format!("[{}]", hooks.join(",")),
        };
        out.raw("hooks", &hooks);
        out.always("namespace", &self.namespace);
        out.text("ociDigest", oci_digest.unwrap_or_default());
        out.finish() + "\n"
    }

    /// Reads a record; fields that nobody knows are passed over.
    pub(super) fn from_json(json: &Json) -> Result<Release, String> {
        let map = json.as_object().ok_or("it is not a JSON object")?;
        let hooks = match map.get("hooks") {
            Some(Json::Array(hooks)) => hooks.iter().map(HookRun::from_json).collect(),
            _ => Vec::new(),
        };
        Ok(Release {
            name: text(json, "name"),
            info: map.get("info").map(Info::from_json).unwrap_or_default(),
            chart: map.get("chart").cloned().unwrap_or(Json::Null),
            config: match map.get("config") {
                Some(Json::Object(config)) => config.clone(),
                _ => Map::new(),
            },
            manifest: text(json, "manifest"),
            hooks,
            version: map.get("version").and_then(Json::as_i64).unwrap_or(0),
            namespace: text(json, "namespace"),
            apply_method: text(json, "apply_method"),
        })
    }

    /// What a record holds of a chart: `metadata` and `values` as rendering left them, without dependencies.
    pub fn chart_of(chart: &Chart, metadata: &Metadata, values: &Map<String, Json>) -> Json {
        let time = |seconds: i64| {
            let moment = Time::new(seconds, 0, Zone::Utc);
            Json::from(layout::format(&moment, "2006-01-02T15:04:05.999999999Z07:00"))
        };
        let files = |files: &[crate::File]| {
            if files.is_empty() {
                return Json::Null;
            }
            let files = files.iter().map(|file| {
                let mut entry = Map::new();
                entry.insert("name".into(), json!(file.name));
                entry.insert("data".into(), json!(STANDARD.encode(&file.data)));
                if let Some(seconds) = file.modified {
                    entry.insert("modtime".into(), time(seconds));
                }
                Json::Object(entry)
            });
            Json::Array(files.collect())
        };
        let schema_modified = chart.schema_modified.map_or(json!("0001-01-01T00:00:00Z"), time);
        let mut record = json!({
            "metadata": metadata.to_json(),
            "lock": chart.lock.clone().unwrap_or(Json::Null),
            "templates": files(&chart.templates),
            "values": values,
            "schema": chart.schema.as_ref().map(|schema| STANDARD.encode(schema)),
            "schemamodtime": schema_modified,
            "files": files(&chart.files),
        });
        if let (Some(seconds), Json::Object(map)) = (chart.modified, &mut record) {
            map.insert("modtime".into(), time(seconds));
        }
        record
    }
}

impl Info {
    /// The JSON of the `info` field.
    pub fn to_json(&self) -> String {
        let mut out = Object::new();
        for (key, time) in [
            ("first_deployed", &self.first_deployed),
            ("last_deployed", &self.last_deployed),
            ("deleted", &self.deleted),
        ] {
            if let Some(time) = time {
                out.text(key, time);
            }
        }
        out.text("description", &self.description);
        out.text("status", self.status.name());
        out.int("rollback_revision", self.rollback_revision);
        out.text("notes", &self.notes);
        if let Some(resources) = &self.resources {
            out.raw("resources", &go_json(resources));
        }
        out.finish()
    }

    fn from_json(json: &Json) -> Info {
        Info {
            first_deployed: time(json, "first_deployed"),
            last_deployed: time(json, "last_deployed"),
            deleted: time(json, "deleted"),
            description: text(json, "description"),
            status: Status::parse(&text(json, "status")),
            rollback_revision: json.get("rollback_revision").and_then(Json::as_i64).unwrap_or(0),
            notes: text(json, "notes"),
            resources: json.get("resources").filter(|r| !r.is_null()).cloned(),
        }
    }
}

impl HookRun {
    /// The JSON of one entry of `hooks`.
    pub fn to_json(&self) -> String {
        let hook = &self.hook;
        let mut out = Object::new();
        out.text("name", &hook.name);
        out.text("kind", &hook.kind);
        out.text("path", &hook.path);
        out.text("manifest", &hook.manifest);
        out.texts("events", hook.events.iter().map(|event| event.name()));
        let mut run = Object::new();
        run.text(
            "started_at",
            self.last_run.started_at.as_deref().unwrap_or_default(),
        );
        run.text(
            "completed_at",
            self.last_run.completed_at.as_deref().unwrap_or_default(),
        );
        run.always("phase", &self.last_run.phase);
        out.raw("last_run", &run.finish());
        out.int("weight", hook.weight);
        out.texts("delete_policies", hook.delete_policies.iter().map(String::as_str));
        out.texts(
            "output_log_policies",
            hook.output_log_policies.iter().map(String::as_str),
        );
        out.finish()
    }

    fn from_json(json: &Json) -> HookRun {
        let texts = |key: &str| match json.get(key) {
            Some(Json::Array(items)) => items
                .iter()
                .filter_map(Json::as_str)
                .map(str::to_string)
                .collect(),
            _ => Vec::new(),
        };
        let run = json.get("last_run").cloned().unwrap_or(Json::Null);
        HookRun {
            hook: Hook {
                name: text(json, "name"),
                kind: text(json, "kind"),
                path: text(json, "path"),
                manifest: text(json, "manifest"),
                events: texts("events")
                    .iter()
                    .filter_map(|event| Event::parse(event))
                    .collect(),
                weight: json.get("weight").and_then(Json::as_i64).unwrap_or(0),
                delete_policies: texts("delete_policies"),
                output_log_policies: texts("output_log_policies"),
            },
            last_run: LastRun {
                started_at: time(&run, "started_at"),
                completed_at: time(&run, "completed_at"),
                phase: text(&run, "phase"),
            },
        }
    }
}

fn text(json: &Json, key: &str) -> String {
    json.get(key)
        .and_then(Json::as_str)
        .unwrap_or_default()
        .to_string()
}

/// A time; Helm's zero times are none.
fn time(json: &Json, key: &str) -> Option<String> {
    json.get(key)
        .and_then(Json::as_str)
        .filter(|time| !time.is_empty() && !time.starts_with("0001-01-01T00:00:00"))
        .map(str::to_string)
}
