//! I/O: clusters of cloud providers, by which an identity is let in as the provider vouches for it: EKS, AKS and GKE.
//!
//! What a ConfigMap leaves open is asked of the provider. The controller's own identity opens more than the object is for, so
//! that its token goes where the provider says that the cluster is, and nowhere else.

mod aks;
mod eks;
mod gke;

use crate::{Ask, Cloud, CloudError, Settings, Who, kept::Kept};
use futures::future::BoxFuture;
use peer::{pem, secret::Secret};
use runtime::{
    client::{Managed, Pass, Place, Provider, Vouches},
    telemetry::chain,
};
use std::{collections::BTreeSet, time::Duration};
use url::Url;

/// Where a cluster is may change; it is asked again after so long, when somebody wants to know.
const STAYS: Duration = Duration::from_secs(15 * 60);

/// Whoever vouches for objects at clusters of cloud providers.
#[derive(Debug)]
pub struct Clusters {
    cloud: Cloud,
    places: Kept<Vec<Server>>,
}

/// A server of a cluster, as its provider describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    /// The address, with its scheme.
    address: String,
    /// The authority, in PEM.
    authority: String,
}

impl Clusters {
    /// Identities by these settings; ServiceAccounts are read, and their tokens asked for, with this client.
    pub fn new(kube: kube::Client, settings: Settings) -> Self {
        Self {
            places: Kept::new(settings.most, settings.life),
            cloud: Cloud::new(kube, settings),
        }
    }

    async fn find(&self, cluster: &Managed) -> Result<Place, CloudError> {
        let who = who(cluster);
        let account = self.cloud.account(&who).await?;
        let identity = account.map(|account| account.print()).unwrap_or_default();
        let ask = Ask {
            audiences: &cluster.audiences,
            ..Ask::of(&who)
        };
        // What is wrong with the identity is said now, of the object, and not of each request.
        self.token(cluster, ask).await?;
        let servers = if cluster.account.is_some() && cluster.address.is_some() && cluster.authority.is_some()
        {
            Vec::new()
        } else {
            let audiences = cluster.audiences.join("\n");
            let account = cluster.account.as_deref().unwrap_or_default();
            let question = [
                cluster.provider.name(),
                cluster.cluster.as_str(),
                if account.is_empty() {
                    ""
                } else {
                    cluster.namespace.as_str()
                },
                account,
                identity.as_str(),
                audiences.as_str(),
            ];
            let servers = async {
                let servers = match cluster.provider {
                    Provider::Aws => self.cloud.eks(ask, &cluster.cluster).await?,
                    Provider::Azure => self.cloud.aks(ask, &cluster.cluster).await?,
                    Provider::Gcp => self.cloud.gke(ask, &cluster.cluster).await?,
                };
                Ok::<_, CloudError>((servers, STAYS))
            };
            self.places.get(&question, servers).await?
        };
        let (address, authority) = choose(cluster, &servers)?;
        Ok(Place {
            address,
            authority: Some(authority),
            identity,
        })
    }

    /// A token for a cluster, and how long it lasts.
    async fn token(&self, cluster: &Managed, ask: Ask<'_>) -> Result<(Secret, Duration), CloudError> {
        match cluster.provider {
            Provider::Aws => self.cloud.eks_token(ask, &cluster.cluster).await,
            Provider::Azure => self.cloud.aks_token(ask).await,
            Provider::Gcp => self.cloud.gcp_lasting(ask).await,
        }
    }

    async fn let_in(&self, cluster: &Managed, anew: bool) -> Result<Pass, CloudError> {
        let who = who(cluster);
        let ask = Ask {
            who: &who,
            audiences: &cluster.audiences,
            anew,
        };
        let (token, life) = self.token(cluster, ask).await?;
        let pass = token.text().and_then(|token| Pass::bearer(token, life));
        pass.ok_or_else(|| CloudError::Answer("the token service".into()))
    }
}

impl Vouches for Clusters {
    fn place<'a>(&'a self, cluster: &'a Managed) -> BoxFuture<'a, Result<Place, String>> {
        Box::pin(async { self.find(cluster).await.map_err(|e| chain(&e)) })
    }

    fn pass<'a>(&'a self, cluster: &'a Managed, anew: bool) -> BoxFuture<'a, Result<Pass, String>> {
        Box::pin(async move { self.let_in(cluster, anew).await.map_err(|e| chain(&e)) })
    }
}

fn who(cluster: &Managed) -> Who<'_> {
    Who {
        namespace: &cluster.namespace,
        account: cluster.account.as_deref(),
        proxy: None,
    }
}

/// PURE: which server is meant, and whom to trust there.
fn choose(cluster: &Managed, servers: &[Server]) -> Result<(String, String), CloudError> {
    let (address, authority) = (cluster.address.as_ref(), cluster.authority.as_ref());
    let is_its_own = cluster.account.is_some();
    if is_its_own && let (Some(address), Some(authority)) = (address, authority) {
        return Ok((address.clone(), authority.clone()));
    }
    let named = address.map(|address| (address, canonical(address)));
    let mut fitting = servers.iter().filter(|server| {
        let wanted = named.as_ref().and_then(|(_, named)| named.as_ref());
        address.is_none() || (wanted.is_some() && canonical(&server.address).as_ref() == wanted)
    });
    let server = match (fitting.next(), address) {
        (Some(server), _) => server,
        // These have one authority for all addresses; and who names an account sends its own token where it likes.
        (None, Some(_)) if is_its_own && cluster.provider != Provider::Azure => {
            servers.first().ok_or_else(|| nowhere(cluster))?
        }
        (None, Some(address)) => {
            let all: Vec<String> = servers
                .iter()
                .map(|server| format!("'{}'", server.address))
                .collect();
            return Err(CloudError::Setup(format!(
                "address: '{address}' is none of cluster '{}', which has [{}]{}",
                cluster.cluster,
                all.join(", "),
                if is_its_own { "" } else { ELSEWHERE }
            )));
        }
        (None, None) => return Err(nowhere(cluster)),
    };
    if !is_its_own && authority.is_some_and(|own| !is_same(own, &server.authority)) {
        return Err(CloudError::Setup(format!(
            "ca.crt: is not the authority of cluster '{}'{ELSEWHERE}",
            cluster.cluster
        )));
    }
    Ok((
        address.unwrap_or(&server.address).clone(),
        authority.unwrap_or(&server.authority).clone(),
    ))
}

const ELSEWHERE: &str = ": the token of an identity that is not the object's own goes where the provider says that the cluster \
                         is, and nowhere else; leave the key out, or name a ServiceAccount in serviceAccountName";

fn nowhere(cluster: &Managed) -> CloudError {
    let provider = cluster.provider.name();
    CloudError::Setup(format!(
        "cluster: {provider} has no address for '{}'",
        cluster.cluster
    ))
}

/// Scheme, host and port.
fn canonical(address: &str) -> Option<(String, u16)> {
    let url = Url::parse(address).ok().filter(|url| url.scheme() == "https")?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// Whether two texts in PEM hold the same certificates.
fn is_same(one: &str, other: &str) -> bool {
    let all = |text: &str| BTreeSet::from_iter(pem::blocks(text.as_bytes(), "CERTIFICATE"));
    let one = all(one);
    !one.is_empty() && one == all(other)
}

/// PURE: a name that is a part of a path, and of nothing else.
fn is_name(text: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "/\\%?#:".contains(c);
    !text.is_empty() && text.len() <= 200 && !text.chars().all(|c| c == '.') && !text.contains(odd)
}

fn odd(what: &str, cluster: &str, pattern: &str) -> CloudError {
    CloudError::Setup(format!(
        "cluster: invalid {what}: '{cluster}'. must match {pattern}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(content: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")
    }

    fn cluster(provider: Provider, account: Option<&str>) -> Managed {
        Managed {
            provider,
            cluster: "prod".to_owned(),
            address: None,
            authority: None,
            audiences: Vec::new(),
            namespace: "team".to_owned(),
            account: account.map(str::to_owned),
        }
    }

    fn servers() -> Vec<Server> {
        [
            ("https://a.example.com", "AAAA"),
            ("https://b.example.com:444", "BBBB"),
        ]
        .map(|(address, content)| Server {
            address: address.to_owned(),
            authority: pem(content),
        })
        .into()
    }

    fn chosen(cluster: &Managed) -> Result<(String, String), String> {
        choose(cluster, &servers()).map_err(|e| e.to_string())
    }

    const ALL: [Provider; 3] = [Provider::Aws, Provider::Azure, Provider::Gcp];

    #[test]
    fn the_controllers_own_token_goes_where_the_provider_says() {
        for provider in ALL {
            let mut own = cluster(provider, None);
            assert_eq!(
                chosen(&own).unwrap(),
                ("https://a.example.com".to_owned(), pem("AAAA"))
            );
            own.address = Some("https://B.example.com:444/".to_owned());
            assert_eq!(chosen(&own).unwrap().1, pem("BBBB"));
            own.authority = Some(format!("its own words\n{}", pem("BBBB")));
            assert!(chosen(&own).is_ok());
            for address in [
                "https://evil.example.com",
                "http://a.example.com",
                "https://a.example.com:6443",
                "https://a.example.com@evil.org",
                "https://evil.org#a.example.com",
                "x y",
            ] {
                own.address = Some(address.to_owned());
                let error = chosen(&own).unwrap_err();
                assert!(
                    error.starts_with("address: ") && error.contains("nowhere else"),
                    "{error}"
                );
            }
            for (address, authority) in [
                (None, pem("BBBB")),
                (None, pem("EVIL")),
                (None, "nothing".to_owned()),
                (None, format!("{}{}", pem("AAAA"), pem("EVIL"))),
                (Some("https://b.example.com:444"), pem("AAAA")),
            ] {
                own.address = address.map(str::to_owned);
                own.authority = Some(authority);
                let error = chosen(&own).unwrap_err();
                assert!(
                    error.starts_with("ca.crt: ") && error.contains("nowhere else"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_tenants_own_token_goes_where_the_tenant_says() {
        for provider in ALL {
            let mut own = cluster(provider, Some("reader"));
            assert_eq!(chosen(&own).unwrap().0, "https://a.example.com");
            own.authority = Some("own".to_owned());
            assert_eq!(
                chosen(&own).unwrap(),
                ("https://a.example.com".to_owned(), "own".to_owned())
            );
            own.address = Some("https://proxy".to_owned());
            assert_eq!(
                chosen(&own).unwrap(),
                ("https://proxy".to_owned(), "own".to_owned())
            );
            own.authority = None;
            match provider {
                // Azure tells the authority of each address.
                Provider::Azure => assert!(chosen(&own).unwrap_err().contains("'https://proxy' is none of")),
                Provider::Aws | Provider::Gcp => {
                    assert_eq!(chosen(&own).unwrap(), ("https://proxy".to_owned(), pem("AAAA")));
                }
            }
        }
        assert!(choose(&cluster(Provider::Gcp, Some("reader")), &[]).is_err());
    }
}
