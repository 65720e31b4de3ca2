//! Clusters that let one in by a token, as a ConfigMap says (`spec.kubeConfig.configMapRef`).

use super::{
    RemoteError, fingerprint,
    tokens::{Issuer, Tokens},
};
use crate::client::{Clients, Identity, ServiceAccount, bounds::BEGIN, vouch::Managed};
use kube::{Api, Config};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// How a ServiceAccount's own token lets one in at another cluster (provider `generic`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Federated {
    /// The server's address, with its scheme.
    pub address: String,
    /// Its authority, in PEM; without one, the system's.
    pub authority: Option<String>,
    /// Whom the token is for.
    pub audiences: Vec<String>,
    /// The namespace of the ServiceAccount that it is a token of.
    pub namespace: String,
    /// Its name.
    pub account: String,
}

impl Clients {
    /// The identity of a ServiceAccount's token at another cluster; with an account, that ServiceAccount's there.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub async fn federated(
        &self,
        federated: &Federated,
        account: Option<&ServiceAccount>,
    ) -> Result<Identity, RemoteError> {
        let user = user(account);
        let fingerprint = fingerprint(&[
            federated.address.as_bytes(),
            federated.authority.as_deref().unwrap_or_default().as_bytes(),
            federated.audiences.join("\n").as_bytes(),
            federated.namespace.as_bytes(),
            federated.account.as_bytes(),
            user.unwrap_or_default().as_bytes(),
        ]);
        if let Some(known) = self.known(&fingerprint) {
            return Ok(known);
        }
        let config = config(&federated.address, federated.authority.as_deref(), user)?;
        let tokens = Tokens::new(Issuer::Own {
            accounts: Api::namespaced(self.own.clone(), &federated.namespace),
            account: federated.account.clone(),
            audiences: federated.audiences.clone(),
        });
        self.connect(config, fingerprint, Some(tokens)).await
    }

    /// The identity that a cloud provider vouches for at a cluster of its; with an account, that ServiceAccount's there.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub async fn managed(
        &self,
        cluster: &Managed,
        account: Option<&ServiceAccount>,
    ) -> Result<Identity, RemoteError> {
        let vouches = self.vouches.clone().ok_or(RemoteError::Nobody)?;
        let place = tokio::time::timeout(BEGIN, vouches.place(cluster)).await;
        let place = match place {
            Ok(place) => place.map_err(RemoteError::Vouch)?,
            Err(_) => {
                let text = format!("the provider has not answered within {} s", BEGIN.as_secs());
                return Err(RemoteError::Vouch(text));
            }
        };
        let user = user(account);
        // What the cluster is called does not matter, only where it is and who is let in.
        let fingerprint = fingerprint(&[
            b"managed",
            cluster.provider.name().as_bytes(),
            cluster.cluster.as_bytes(),
            place.address.as_bytes(),
            place.authority.as_deref().unwrap_or_default().as_bytes(),
            place.identity.as_bytes(),
            cluster.audiences.join("\n").as_bytes(),
            cluster.namespace.as_bytes(),
            cluster.account.as_deref().unwrap_or_default().as_bytes(),
            user.unwrap_or_default().as_bytes(),
        ]);
        if let Some(known) = self.known(&fingerprint) {
            return Ok(known);
        }
        let config = config(&place.address, place.authority.as_deref(), user)?;
        let tokens = Tokens::new(Issuer::Cloud {
            vouches,
            cluster: cluster.clone(),
        });
        self.connect(config, fingerprint, Some(tokens)).await
    }
}

fn user(account: Option<&ServiceAccount>) -> Option<&str> {
    account.map(|account| account.user.to_str().unwrap_or_default())
}

fn config(address: &str, authority: Option<&str>, user: Option<&str>) -> Result<Config, RemoteError> {
    let uri = address.parse::<http::Uri>().ok();
    // A token goes nowhere where others could hear it.
    let uri = uri.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    let mut config = Config::new(uri.ok_or_else(|| RemoteError::Address(address.to_owned()))?);
    if let Some(pem) = authority {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let certificates = certificates.map_err(|e| RemoteError::Build(format!("ca.crt: {e}")))?;
        config.root_cert = Some(certificates.iter().map(|der| der.to_vec()).collect());
    }
    config.auth_info.impersonate = user.map(str::to_owned);
    Ok(config)
}
