//! Anybody with a token of an issuer that the Receiver trusts, which says what the Receiver wants it to say.

use super::{Accepted, By, Refused, Signer};
use crate::receive::jwt::Unverified;
use crds::notification::{OidcProvider, Receiver};

/// The audience of those that name none (Flux).
const AUDIENCE: &str = "notification-controller";

pub fn signer(token: &Unverified, receiver: &Receiver) -> Result<Signer, Refused> {
    let (_, provider) = chosen(token, receiver)?;
    Ok(Signer::Issuer(provider.issuer_url.clone()))
}

pub fn check(receiver: &Receiver, by: By<'_>) -> Result<Accepted, Refused> {
    let (token, keys) = by.signed.ok_or_else(|| Refused("there is no token".into()))?;
    let (n, provider) = chosen(token, receiver)?;
    let audience = provider
        .audience
        .as_deref()
        .filter(|a| !a.is_empty())
        .unwrap_or(AUDIENCE);
    let claims = token.verify(keys, &[&provider.issuer_url], audience, by.now)?;
    let rules = by
        .rules
        .get(n)
        .ok_or_else(|| Refused("there are no rules for the issuer".into()))?;
    let claims = rules.judge(claims)?;
    Ok(Accepted {
        claims,
        ..Accepted::plain()
    })
}

/// The first that is of the token's issuer, and its place.
fn chosen<'a>(token: &Unverified, receiver: &'a Receiver) -> Result<(usize, &'a OidcProvider), Refused> {
    let mut providers = receiver.spec.oidc_providers.iter().enumerate();
    let found = providers.find(|(_, provider)| provider.issuer_url == token.issuer());
    found.ok_or_else(|| Refused("the token's issuer is none of spec.oidcProviders".into()))
}
