//! Logs as Flux's controllers write them (one JSON object a line), and the one printer of error chains.

use serde_json::{Map, Value};
use std::{error::Error, fmt::Write as _, io};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// How log lines are written (Flux flag `--log-encoding`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// One JSON object a line, with `level`, `ts`, `msg` and the event's fields.
    Json,
    /// For people at a terminal.
    Console,
}

/// How much is logged (Flux flag `--log-level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Verbosity {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What happened.
    Info,
    /// What failed.
    Error,
}

/// Sends the process's logs to standard error.
pub fn init(encoding: Encoding, verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Trace => "trace",
        Verbosity::Debug => "debug",
        Verbosity::Info => "info",
        Verbosity::Error => "error",
    };
    // Libraries speak up only when something is wrong, unless everything is asked for.
    let filter = if verbosity == Verbosity::Trace {
        level.to_owned()
    } else {
        format!(
            "{level},hyper=warn,kube=warn,gix=warn,russh=warn,tower=warn,reqwest=warn,h2=warn,rustls=warn"
        )
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr);
    // A second call (tests) keeps the first subscriber.
    let _ = match encoding {
        Encoding::Json => builder.event_format(JsonLines).try_init(),
        Encoding::Console => builder.try_init(),
    };
}

/// An error with all its causes, from the outside in: `a: b: c`.
///
/// Our errors do not print their source; those of some libraries do, so a cause whose text already ends the line is
/// left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Why the API server refused, in its own words; else why it was not asked.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => chain(other),
    }
}

struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let level = match *event.metadata().level() {
            Level::TRACE => "trace",
            Level::DEBUG => "debug",
            Level::INFO | Level::WARN => "info",
            Level::ERROR => "error",
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Map::new();
        line.insert("level".into(), level.into());
        line.insert("ts".into(), jiff::Timestamp::now().to_string().into());
        line.insert("msg".into(), fields.message.into());
        line.extend(fields.rest);
        writeln!(out, "{}", Value::Object(line))
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => {
                self.rest.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("middle: inner")]
    struct Middle(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[test]
    fn a_chain_says_each_cause_once() {
        assert_eq!(chain(&Outer(Middle(Inner))), "outer: middle: inner");
    }
}
