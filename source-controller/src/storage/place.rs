//! PURE: what `--storage-url` says: the object store that artifacts are kept in beside the local disk.

use std::str::FromStr;
use url::Url;

/// A bucket or container, and where in it artifacts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose store it is.
    pub provider: Provider,
    /// The bucket or container.
    pub bucket: String,
    /// How all keys begin; empty, or with a slash at the end.
    pub prefix: String,
}

/// Whose store it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// Amazon's, or one that speaks as it does.
    S3 {
        /// Host and port.
        endpoint: String,
        /// Whether it is spoken to without TLS.
        insecure: bool,
        /// The region it is in.
        region: Option<String>,
    },
    /// Google's.
    Gcs,
    /// Azure's.
    Azure {
        /// The account's name.
        account: String,
        /// The account's URL.
        endpoint: String,
    },
}

impl FromStr for Place {
    type Err = String;

    /// Reads `s3://bucket/prefix[?endpoint=host:port][&region=name][&insecure=true]`, `gs://bucket/prefix`, or
    /// `azblob://account/container/prefix[?endpoint=url]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let odd = |why: &str| {
            format!(
                "{why}; give s3://bucket/prefix?endpoint=host&region=name, gs://bucket/prefix or azblob://account/container/prefix"
            )
        };
        let url = Url::parse(text).map_err(|error| odd(&error.to_string()))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(odd("there is no bucket in it"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
            return Err(odd("there must be no login and no port in it"));
        }
        let mut query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut take = |name: &str| {
            let at = query.iter().position(|(its, _)| its == name)?;
            Some(query.remove(at).1).filter(|value| !value.is_empty())
        };
        let mut path = url.path().trim_matches('/').to_owned();
        let mut bucket = host.clone();
        let provider = match url.scheme() {
            "s3" => Provider::S3 {
                endpoint: take("endpoint").unwrap_or_else(|| "s3.amazonaws.com".to_owned()),
                insecure: take("insecure").is_some_and(|value| value == "true"),
                region: take("region"),
            },
            "gs" => Provider::Gcs,
            "azblob" => {
                let (container, rest) = path.split_once('/').unwrap_or((path.as_str(), ""));
                (bucket, path) = (container.to_owned(), rest.to_owned());
                if bucket.is_empty() {
                    return Err(odd("there is no container in it"));
                }
                let usual = format!("https://{host}.blob.core.windows.net");
                Provider::Azure {
                    account: host,
                    endpoint: take("endpoint").unwrap_or(usual),
                }
            }
            other => return Err(odd(&format!("'{other}' is no object store"))),
        };
        if let Some((name, _)) = query.first() {
            return Err(odd(&format!("'{name}' means nothing here")));
        }
        let prefix = if path.is_empty() { path } else { path + "/" };
        Ok(Self {
            provider,
            bucket,
            prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_by_url() {
        let s3 = |endpoint: &str, insecure: bool, region: Option<&str>| Provider::S3 {
            endpoint: endpoint.to_owned(),
            insecure,
            region: region.map(str::to_owned),
        };
        let azure = |endpoint: &str| Provider::Azure {
            account: "me".to_owned(),
            endpoint: endpoint.to_owned(),
        };
        for (text, provider, bucket, prefix) in [
            ("s3://b", s3("s3.amazonaws.com", false, None), "b", ""),
            (
                "s3://b/flux/prod/?endpoint=minio:9000&insecure=true&region=eu",
                s3("minio:9000", true, Some("eu")),
                "b",
                "flux/prod/",
            ),
            ("gs://b/p", Provider::Gcs, "b", "p/"),
            (
                "azblob://me/c",
                azure("https://me.blob.core.windows.net"),
                "c",
                "",
            ),
            (
                "azblob://me/c/p/q?endpoint=http%3A%2F%2F127.0.0.1%3A1%2Fme",
                azure("http://127.0.0.1:1/me"),
                "c",
                "p/q/",
            ),
        ] {
            let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
            let expected = Place {
                provider,
                bucket,
                prefix,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for odd in [
            "",
            "b",
            "/data",
            "s3://",
            "file:///data",
            "https://b/p",
            "s3://b:1/p",
            "s3://me:canary@b/p",
            "s3://b?regio=eu",
            "azblob://me",
        ] {
            let problem = odd.parse::<Place>().unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
