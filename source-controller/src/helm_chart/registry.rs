//! I/O: charts in container registries, as `helm push` puts them there.

use super::repository::{Chosen, Missing};
use crate::{
    context::Context,
    oci::{self, Access, Descriptor, Keychain, Manifest, OciError, Reference, Registry, Repository},
    shelf::blocking,
    storage::Storage,
};
use cloud::Who;
use crds::source::OciProvider;
use helm::index;
use runtime::telemetry::chain;
use std::time::Duration;
use versions::{Range, Version};

/// Media types of Helm's artifacts.
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
/// What charts had before.
const LEGACY: &str = "application/tar+gzip";

/// The version of a chart that is meant below a registry's URL: one written in full is not looked for.
pub async fn choose(
    context: &Context,
    url: &str,
    access: &Access,
    provider: OciProvider,
    (name, wanted): (&str, &str),
    now: bool,
) -> Result<Chosen, Missing> {
    let full = format!("{}/{name}", url.trim_end_matches('/'));
    let external = |text: String| Missing::External(text, None);
    let place =
        Repository::parse(&full).map_err(|e| external(format!("invalid chart reference '{full}': {e}")))?;
    let access = with_identity(context, access, provider, &place).await?;
    let registry = context.registries.get(&place, &access);
    let registry = registry.map_err(|e| external(chain(&e)))?;
    if index::concrete(wanted).is_some() {
        return Ok(Chosen::tagged(name, wanted, registry, place));
    }
    let tags = registry.list(&place, now).await.map_err(|error| {
        let text = format!(
            "could not get tags for {name:?}: could not fetch tags for {full:?}: {}",
            chain(&error)
        );
        Missing::External(text, error.retry_after())
    })?;
    let versions: Vec<Version> = tags.iter().filter_map(|tag| version(tag)).collect();
    if versions.is_empty() {
        let text = format!(
            "could not get tags for {name:?}: unable to locate any tags in provided repository: {full}"
        );
        return Err(external(text));
    }
    let chosen = newest(&versions, wanted).map_err(external)?;
    Ok(Chosen::tagged(name, &chosen.to_string(), registry, place))
}

/// The access with the login of a provider, where that is wanted: the controller's own, as in Flux.
async fn with_identity(
    context: &Context,
    access: &Access,
    provider: OciProvider,
    place: &Repository,
) -> Result<Access, Missing> {
    let mut access = access.clone();
    if provider != OciProvider::Generic {
        let who = Who {
            namespace: "",
            account: None,
            proxy: access.proxy.as_ref(),
        };
        let login = oci::login(&context.cloud, provider, &who, place, &access)
            .await
            .map_err(|error| {
                let text = format!(
                    "failed to get credential from '{}': {}",
                    provider.as_str(),
                    chain(&error)
                );
                Missing::External(text, error.retry_after())
            })?;
        access.keychain = Keychain::only(&place.registry, login);
    }
    Ok(access)
}

/// The highest version that a constraint admits.
fn newest<'v>(versions: &'v [Version], wanted: &str) -> Result<&'v Version, String> {
    if let Some(exact) = versions.iter().find(|version| version.to_string() == wanted) {
        return Ok(exact);
    }
    let range = Range::parse(if wanted.is_empty() { "*" } else { wanted }).map_err(|e| e.to_string())?;
    let fits = versions.iter().filter(|version| range.admits(version));
    // Of several alike the first, where those with more build notes come last: so it does not matter how they are listed.
    let best = fits.max_by(|a, b| a.precedence(b).then_with(|| b.metadata.cmp(&a.metadata)));
    best.ok_or_else(|| format!("could not locate a version matching provided version string {wanted}"))
}

/// The version that a tag of a chart names: all three numbers, nothing in front, `_` for `+`.
fn version(tag: &str) -> Option<Version> {
    let version = Version::parse(&tag.replace('_', "+")).ok()?;
    (version.to_string() == version.original).then_some(version)
}

/// The archive of a chart, at most `limit` bytes of it. However many want the same at once, it is asked for once; but with a
/// look of its own for who wants one `now`.
pub async fn pull(
    storage: &Storage,
    registry: &Registry,
    place: &Repository,
    reference: &Reference,
    (limit, now): (u64, bool),
) -> Result<Vec<u8>, (String, Option<Duration>)> {
    let doing = format!("failed to get 'oci://{}'", reference.with(place));
    let failed = |error: OciError| (format!("{doing}: {}", chain(&error)), error.retry_after());
    let odd = |problem: &str| (format!("{doing}: {problem}"), None);
    let manifest = manifest(registry, place, reference, now).await?;
    let layer = layer(&manifest, &[CHART, LEGACY]).map_err(|problem| odd(&problem))?;
    let content = registry.layer(place, layer, limit, || storage.scratch()).await;
    let content = content.map_err(failed)?;
    // Somebody else may have had it under another limit.
    if content.size() > limit {
        return Err(odd(&format!("the chart is larger than {limit} bytes")));
    }
    let read = blocking(move || content.bytes()).await;
    let read = read.map_err(|failure| odd(&failure.message))?;
    read.map_err(|error| odd(&format!("cannot read what was downloaded: {error}")))
}

/// The provenance file of a chart, which `helm push` puts beside its archive, at most `limit` bytes of it.
pub async fn provenance(
    registry: &Registry,
    place: &Repository,
    reference: &Reference,
    (limit, now): (u64, bool),
) -> Result<Vec<u8>, (String, Option<Duration>)> {
    let doing = format!("failed to get 'oci://{}'", reference.with(place));
    let manifest = manifest(registry, place, reference, now).await?;
    let layer = layer(&manifest, &[PROVENANCE]).map_err(|problem| (format!("{doing}: {problem}"), None))?;
    let text = registry.blob(place, layer, limit).await;
    text.map_err(|error| (format!("{doing}: {}", chain(&error)), error.retry_after()))
}

/// The manifest of a chart.
async fn manifest(
    registry: &Registry,
    place: &Repository,
    reference: &Reference,
    now: bool,
) -> Result<Manifest, (String, Option<Duration>)> {
    let doing = format!("failed to get 'oci://{}'", reference.with(place));
    let failed = |error: OciError| (format!("{doing}: {}", chain(&error)), error.retry_after());
    let odd = |problem: &str| (format!("{doing}: {problem}"), None);
    let digest = registry.look(place, reference, now).await.map_err(failed)?;
    let mut manifest = registry.manifest(place, &digest).await.map_err(failed)?;
    if manifest.is_index() {
        let chosen = manifest.chosen().map(|chosen| chosen.digest.clone());
        let chosen = chosen.ok_or_else(|| odd("the index has no manifest for linux/amd64"))?;
        manifest = registry.manifest(place, &chosen).await.map_err(failed)?;
    }
    if manifest
        .config
        .as_ref()
        .is_none_or(|config| config.media_type != CONFIG)
    {
        return Err(odd(&format!("could not load config with mediatype {CONFIG}")));
    }
    Ok(manifest)
}

/// The last layer of a manifest with one of these media types.
fn layer<'m>(manifest: &'m Manifest, types: &[&str]) -> Result<&'m Descriptor, String> {
    let mut layers = manifest.layers.iter().rev();
    let layer = layers.find(|layer| types.contains(&layer.media_type.as_str()));
    layer.ok_or_else(|| {
        let wanted = types.first().copied().unwrap_or_default();
        format!("manifest does not contain a layer with mediatype {wanted}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_versions_as_helm_pushes_them() {
        let tags = [
            "1.0.0",
            "v2.0.0",
            "1.2.0-rc.1",
            "1.1",
            "latest",
            "1.1.0_build.5",
            "1.1.0",
            "01.9.0",
        ];
        let versions: Vec<Version> = tags.iter().filter_map(|tag| version(tag)).collect();
        for (wanted, expected) in [
            ("", Ok("1.1.0")),
            ("*", Ok("1.1.0")),
            ("1.1.0+build.5", Ok("1.1.0+build.5")),
            (">=1.0.0-0", Ok("1.2.0-rc.1")),
            ("<1.1", Ok("1.0.0")),
            (
                "2.x",
                Err("could not locate a version matching provided version string 2.x"),
            ),
        ] {
            let found = newest(&versions, wanted).map(ToString::to_string);
            assert_eq!(found.as_deref().map_err(|e| e.as_str()), expected, "{wanted}");
        }
    }
}
