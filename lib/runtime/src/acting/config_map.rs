//! PURE: what a ConfigMap says of how one is let in at another cluster (`spec.kubeConfig.configMapRef`; Flux's keys `provider`,
//! `cluster`, `address`, `ca.crt`, `audiences` and `serviceAccountName`).

use crate::client::{Federated, Managed, Provider};
use std::collections::BTreeMap;

/// Who gives the token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ByToken {
    /// The controller's own API server.
    Federated(Federated),
    /// A cloud provider.
    Managed(Managed),
}

/// Reads the data of a ConfigMap; `default_account` is the ServiceAccount of those that name none, empty for none.
pub(super) fn read(
    data: &BTreeMap<String, String>,
    namespace: &str,
    default_account: &str,
) -> Result<ByToken, String> {
    let get = |key: &str| {
        data.get(key)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    };
    let missing = |key: &str| format!("does not contain a '{key}' key with data");
    let provider = match get("provider") {
        Some("generic") => None,
        Some("aws") => Some(Provider::Aws),
        Some("azure") => Some(Provider::Azure),
        Some("gcp") => Some(Provider::Gcp),
        Some(_) => return Err("has no known provider: it is one of aws, azure, gcp and generic".to_owned()),
        None => return Err(missing("provider")),
    };
    let address = get("address").map(|address| match address.contains("://") {
        true => address.to_owned(),
        false => format!("https://{address}"),
    });
    let authority = get("ca.crt").map(str::to_owned);
    let account = get("serviceAccountName").or(Some(default_account).filter(|name| !name.is_empty()));
    let audiences = get("audiences").map(lines).unwrap_or_default();
    if let Some(provider) = provider {
        // Amazon's token has the cluster's name in it; of others, one need not know it if the rest is said.
        let is_said = address.is_some() && authority.is_some() && account.is_some();
        let cluster = get("cluster").unwrap_or_default();
        if cluster.is_empty() && (provider == Provider::Aws || !is_said) {
            return Err(missing("cluster"));
        }
        return Ok(ByToken::Managed(Managed {
            provider,
            cluster: cluster.to_owned(),
            address,
            authority,
            audiences,
            namespace: namespace.to_owned(),
            account: account.map(str::to_owned),
        }));
    }
    let address = address.ok_or_else(|| missing("address"))?;
    Ok(ByToken::Federated(Federated {
        authority,
        audiences: match audiences.is_empty() {
            true => vec![address.clone()],
            false => audiences,
        },
        namespace: namespace.to_owned(),
        // The controller's own token is good for its own cluster; whoever chose audience and address would have it.
        account: account.ok_or_else(|| missing("serviceAccountName"))?.to_owned(),
        address,
    }))
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn federated(pairs: &[(&str, &str)], default_account: &str) -> Federated {
        match read(&data(pairs), "team", default_account) {
            Ok(ByToken::Federated(federated)) => federated,
            other => panic!("{other:?}"),
        }
    }

    fn managed(pairs: &[(&str, &str)], default_account: &str) -> Managed {
        match read(&data(pairs), "team", default_account) {
            Ok(ByToken::Managed(managed)) => managed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_config_map_says_how_to_be_let_in() {
        let mut good = vec![
            ("provider", "generic"),
            ("address", "spoke:6443"),
            ("serviceAccountName", "deployer"),
        ];
        let said = federated(&good, "");
        assert_eq!(
            (
                said.address.as_str(),
                said.namespace.as_str(),
                said.account.as_str()
            ),
            ("https://spoke:6443", "team", "deployer")
        );
        assert_eq!(said.audiences, ["https://spoke:6443"]);
        good.extend([("audiences", "a\n b \n"), ("ca.crt", "pem")]);
        let said = federated(&good, "");
        assert_eq!(
            (said.audiences.join(","), said.authority.as_deref()),
            ("a,b".to_owned(), Some("pem"))
        );
    }

    #[test]
    fn the_controllers_own_token_is_never_meant() {
        let nobody = [
            ("provider", "generic"),
            ("address", "https://spoke"),
            ("serviceAccountName", " "),
        ];
        let error = read(&data(&nobody), "team", "").unwrap_err();
        assert!(error.contains("'serviceAccountName'"), "{error}");
        assert_eq!(federated(&nobody, "reader").account, "reader");
    }

    #[test]
    fn a_cluster_of_a_provider_may_be_named_alone() {
        let said = managed(&[("provider", "gcp"), ("cluster", "projects/p/x ")], "");
        assert_eq!(
            (said.provider, said.cluster.as_str(), said.account),
            (Provider::Gcp, "projects/p/x", None)
        );
        assert_eq!((said.address, said.authority), (None, None));
        let all = [
            ("provider", "azure"),
            ("address", "spoke"),
            ("ca.crt", "pem"),
            ("audiences", "a\nb"),
        ];
        let said = managed(&all, "reader");
        assert_eq!(
            (said.address.as_deref(), said.account.as_deref()),
            (Some("https://spoke"), Some("reader"))
        );
        assert_eq!(said.audiences, ["a", "b"]);
        // Who has no account must let the provider say where the cluster is.
        assert!(read(&data(&all), "team", "").unwrap_err().contains("'cluster'"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (pairs, expected) in [
            (vec![], "'provider'"),
            (vec![("provider", "aws")], "'cluster'"),
            (
                vec![("provider", "aws"), ("address", "a"), ("ca.crt", "pem")],
                "'cluster'",
            ),
            (vec![("provider", "gcp"), ("address", "a")], "'cluster'"),
            (vec![("provider", "x")], "no known provider"),
            (vec![("provider", "generic")], "'address'"),
        ] {
            let error = read(&data(&pairs), "team", "reader").unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
