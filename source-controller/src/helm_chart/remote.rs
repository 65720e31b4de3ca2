//! The chart of a Helm repository: choose the version, download it, package it anew if its values are changed.

use super::{
    build::{Build, BuildError, Content, Made, Options, Step},
    proof::{Proof, Wanted},
    provenance::{Case, Proven},
    repository::{Chosen, Missing, Repository, Unusable},
    values,
};
use crate::{
    context::Context,
    helm_remote::{Access, is_oci, is_static},
    record::{Failure, asked},
    shelf::blocking,
};
use crds::{
    meta::reason,
    source::{HelmChart, HelmRepository, reason as source},
};
use helm::{ArchiveLimits, Chart, Metadata};
use peer::http::shown;
use runtime::telemetry::chain;
use std::sync::Arc;

/// All files of a packaged chart are of this time, in seconds since 1970: the first day that archives of all kinds know.
pub const MODIFIED: u64 = 315_532_800;

/// What a failure says if the login or the certificates are at fault, as Flux tells it.
const UNAUTHENTICATED: [&str; 4] = [
    "failed to get credential",
    "authentication required",
    "unknown certificate authority",
    "invalid peer certificate",
];
/// The same, as words by themselves: URLs, digests, names in quotes and versions may have these letters, too. The last is the code
/// of registries and of those who give their tokens (OCI Distribution Spec, "Error codes").
const UNAUTHENTICATED_WORDS: [&str; 4] = ["401", "tls", "unauthorized", "UNAUTHORIZED"];

/// The chart that the object wants of a repository.
pub async fn build(
    context: &Arc<Context>,
    object: &HelmChart,
    repository: &HelmRepository,
    options: Options,
    proven: &Proven,
) -> Result<Build, Failure> {
    let access = Access::read(&context.client, repository).await;
    let access = access.map_err(|problem| Failure::fetch(reason::AUTHENTICATION_FAILED, problem))?;
    let url = &repository.spec.url;
    if is_static(repository) != is_oci(url) {
        return Err(unusable(Unusable::Client(format!(
            "invalid OCI registry URL: {}",
            shown(url)
        ))));
    }
    let now = asked(object) || is_new(object);
    let opened = Repository::open(context, url, access, Some(repository)).map_err(unusable)?;
    let opened = opened.looked_at(now);
    let wanted = Wanted::read(context, object, repository).await?;
    let built = pull(context, object, &opened, (&wanted, proven), options).await;
    built.map_err(|(error, new)| {
        let message = error.message();
        let version = object.spec.version.as_deref().unwrap_or_default();
        let failure = if error.may_be_of_access() && is_unauthenticated(&message, version) {
            let text = format!("failed to authenticate with the Helm repository: {message}");
            Failure::fetch(reason::AUTHENTICATION_FAILED, text).not_before(error.retry_after())
        } else {
            error.into()
        };
        match new {
            Some(new) => failure.outdated(source::NEW_CHART, new),
            None => failure,
        }
    })
}

/// Whether the spec was not seen before.
fn is_new(object: &HelmChart) -> bool {
    object.status.as_ref().map(|status| status.observed_generation) != object.metadata.generation
}

fn unusable(problem: Unusable) -> Failure {
    match problem {
        Unusable::Url(problem) => {
            let text = format!("invalid Helm repository URL: {problem}");
            Failure::fetch(reason::URL_INVALID, text).stalled()
        }
        Unusable::Client(problem) => {
            let text = format!("failed to construct Helm client: {problem}");
            Failure::fetch(reason::FAILED, text).stalled()
        }
    }
}

/// An error comes with what is new, if that was found out before.
async fn pull(
    context: &Arc<Context>,
    object: &HelmChart,
    repository: &Repository,
    (wanted, proven): (&Wanted, &Proven),
    options: Options,
) -> Result<Build, (BuildError, Option<String>)> {
    let early = |error: BuildError| (error, None);
    let now = repository.now();
    let name = &object.spec.chart;
    valid_name(name).map_err(early)?;
    let version = object.spec.version.as_deref().unwrap_or_default();
    let mut chosen = repository
        .choose(context, name, version)
        .await
        .map_err(|missing| {
            let doing = "failed to get chart version for remote reference";
            early(match missing {
                Missing::Reference(problem) => {
                    BuildError::new(Step::Reference, format!("{doing}: {problem}"))
                }
                Missing::External(problem, delay) => {
                    BuildError::new(Step::Pull, format!("{doing}: {problem}")).not_before(delay)
                }
            })
        })?;
    let mut made = Made {
        // As in Flux in each pass: a signature in a registry can be taken back.
        proof: signature(&mut chosen, wanted, now).await.map_err(early)?,
        name: chosen.name.clone(),
        version: options.version(&chosen.version).map_err(early)?,
        packaged: options.changes_chart(),
        ..Made::default()
    };
    let case = match wanted {
        Wanted::Provenance(keys) => Some(Case {
            repository,
            name: &object.spec.chart,
            chosen: &chosen,
            keys,
        }),
        Wanted::Nothing | Wanted::Signature(_) => None,
    };
    let shelved = match (case, options.shelved(&made.name, &made.version, made.packaged)) {
        (Some(case), Some(build)) => case.of_shelf(object, proven, build).await.map_err(early)?,
        (_, shelved) => shelved.map(|mut build| {
            build.made.proof.clone_from(&made.proof);
            build
        }),
    };
    if let Some(build) = shelved {
        return Ok(build);
    }
    let new = made.as_new();
    let late = |error: BuildError| (error, Some(new.clone()));
    context
        .progress
        .newer(object, &made.version, source::NEW_CHART, &new);
    let archive = repository
        .download(context, &chosen, context.charts.archive)
        .await;
    let archive = archive.map_err(|(problem, delay)| {
        let text = format!("failed to download chart for remote reference: {problem}");
        late(BuildError::new(Step::Pull, text).not_before(delay))
    })?;
    let archive = Arc::new(archive);
    if let Some(case) = case {
        // Before anything in it is looked at.
        made.proof = Some(case.of_archive(archive.clone()).await.map_err(late)?);
    }
    let limit = context.charts.file;
    let work = blocking(move || finish(archive, made, &options, limit)).await;
    let work = work.map_err(|failure| early(BuildError::new(Step::Unknown, failure.message)))?;
    work.map_err(late)
}

/// Checks the signature in a registry that the chart has to bear, if it has to.
async fn signature(chosen: &mut Chosen, wanted: &Wanted, now: bool) -> Result<Option<Proof>, BuildError> {
    let Wanted::Signature(policy) = wanted else {
        return Ok(None);
    };
    let verdict = chosen.verify(policy, now).await.map_err(|error| {
        let delay = error.retry_after();
        BuildError::new(Step::Verification, chain(&error)).not_before(delay)
    })?;
    Ok(Some(verdict.into()))
}

/// Whether a failure is of the login or the certificates. What the spec has for a version may have any words in it.
fn is_unauthenticated(message: &str, version: &str) -> bool {
    // As a word of its own, for `1` is in `401`.
    let message = message.replace(&format!("version string {version}"), "");
    let mut words = message.split_whitespace();
    UNAUTHENTICATED.iter().any(|part| message.contains(part))
        || words.any(|word| UNAUTHENTICATED_WORDS.contains(&word.trim_end_matches([':', ',', ';', '.'])))
}

/// Names may have folders, and nothing else that leads elsewhere.
fn valid_name(name: &str) -> Result<(), BuildError> {
    let refused = |text: String| Err(BuildError::new(Step::Reference, text));
    if name.is_empty() {
        return refused("no name set for remote chart reference".to_owned());
    }
    let letter = |c: char| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit();
    let known = name.chars().all(|c| letter(c) || c == '/' || c == '.');
    let bad = ["//", "..", "./"].iter().any(|pair| name.contains(pair));
    if !known || bad || !name.starts_with(letter) {
        return refused(format!(
            "invalid chart name '{name}': a valid name must be lower case letters and numbers and MAY be separated with dashes (-), slashes (/) or periods (.)"
        ));
    }
    Ok(())
}

/// Blocking: checks a chart that was downloaded, and packages it anew if that is wanted.
fn finish(
    archive: Arc<Vec<u8>>,
    mut made: Made,
    options: &Options,
    file_limit: u64,
) -> Result<Build, BuildError> {
    if !made.packaged {
        let metadata = Metadata::of_archive(&archive, file_limit).and_then(Metadata::checked);
        metadata.map_err(|error| {
            let text = format!("failed to load chart metadata from written chart: {error}");
            BuildError::new(Step::Pull, text)
        })?;
        return Ok(Build {
            made,
            content: Content::New(Arc::unwrap_or_clone(archive)),
        });
    }
    let mut chart = Chart::from_archive(&archive, &ArchiveLimits::default()).map_err(|error| {
        BuildError::new(Step::Package, format!("failed to load downloaded chart: {error}"))
    })?;
    chart.metadata.version.clone_from(&made.version);
    let merged = values::of_chart(&chart, options)?;
    made.values_files = values::replace(&mut chart, merged)?;
    let archive = helm::package(&chart, MODIFIED)
        .map_err(|error| BuildError::new(Step::Package, format!("failed to package chart: {error}")))?;
    Ok(Build {
        made,
        content: Content::New(archive),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_spec_says_is_no_status() {
        for (message, expected) in [
            ("GET http://a/v2/: unexpected status code 401 Unauthorized", true),
            ("failed to fetch https://a/index.yaml : 401 Unauthorized", true),
            ("error sending request: tls: bad certificate", true),
            ("GET http://a/v2/: unauthorized: who are you", true),
            ("failed to get credentials from 'a'", true),
            (
                "failed to fetch https://tls.example/tls-certs-1.401.0.tgz : 404 Not Found",
                false,
            ),
            (
                "failed to get 'oci://tls/401/unauthorized:401': manifest unknown",
                false,
            ),
            (
                "cannot get a token from 'https://a/token': UNAUTHORIZED: incorrect username or password",
                true,
            ),
            ("could not get tags for \"tls\": no tags", false),
            ("no chart version found for unauthorized-tls-401", false),
            (
                "could not locate a version matching provided version string 401 || tls",
                false,
            ),
            (
                "no matching signatures were found for 'a/web@sha256:68f6384aced2c5b0ebab8975ba86dc401cba'",
                false,
            ),
            ("no chart version found for 'gettls'", false),
        ] {
            assert_eq!(is_unauthenticated(message, "401 || tls"), expected, "{message}");
        }
        for version in ["", "1", "401"] {
            assert!(
                is_unauthenticated("GET http://a/v2/: unexpected status code 401", version),
                "{version}"
            );
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        for (name, good) in [
            ("web", true),
            ("charts/web", true),
            ("a.b-c", true),
            ("a/", true),
            ("", false),
            ("Web", false),
            ("../web", false),
            ("a//b", false),
            ("a/../b", false),
            ("/web", false),
            ("web:1", false),
            ("a\\b", false),
        ] {
            assert_eq!(valid_name(name).is_ok(), good, "{name}");
        }
    }
}
