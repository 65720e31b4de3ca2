//! Where messages may go: anywhere a tenant names, but not where a machine asks who it is. What is said there would give the
//! tenant the controller's own identity at the cloud (Kargo CVE-2026-32828 and its like).

use reqwest::dns::{Name, Resolve, Resolving};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use url::{Host, Url};

/// Finds the addresses of names, and leaves out those where no message may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let allowed = addresses(name.as_str(), 0).await?;
            Ok(Box::new(allowed.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// Where a host is, be it a name or an address, as far as messages may go there.
pub(crate) async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((host, port)).await?;
    let allowed: Vec<SocketAddr> = found.filter(|address| !is_forbidden(address.ip())).collect();
    match allowed.is_empty() {
        true => Err(io::Error::other(REFUSAL)),
        false => Ok(allowed),
    }
}

/// What is said of an address where no message goes.
pub(crate) const REFUSAL: &str = "no messages are sent to link-local addresses and metadata services";

/// Whether a URL's host is an address where no message goes. Names are looked at when they are looked up.
pub(crate) fn is_off_limits(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_forbidden(address.into()),
        Some(Host::Ipv6(address)) => is_forbidden(address.into()),
        // In a URL that is none of HTTP's, an address counts as a name (URL Standard, opaque hosts).
        Some(Host::Domain(name)) => name.parse().is_ok_and(is_forbidden),
        None => false,
    }
}

/// Link-local addresses (RFC 3927, RFC 4291), and the metadata services that are elsewhere: Amazon's over IPv6, Alibaba's.
fn is_forbidden(address: IpAddr) -> bool {
    const AMAZON: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified() || address == ALIBABA,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_forbidden(mapped.into()),
            None => address.is_unicast_link_local() || address.is_unspecified() || address == AMAZON,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_off_limits_however_they_are_written() {
        for (url, expected) in [
            ("http://169.254.169.254/latest/meta-data", true),
            ("http://0xa9fea9fe/", true),
            ("http://2852039166/", true),
            ("http://[::ffff:169.254.169.254]/", true),
            ("http://[fe80::1]/", true),
            ("http://[fd00:ec2::254]/", true),
            ("http://100.100.100.200/", true),
            ("http://0.0.0.0/", true),
            ("socks5h://169.254.169.254:1080", true),
            ("socks5h://[fd00:ec2::254]:1080", true),
            ("socks5h://10.0.0.1:1080", false),
            ("http://127.0.0.1/", false),
            ("http://10.0.0.1/", false),
            ("https://hooks.slack.com/", false),
        ] {
            assert_eq!(is_off_limits(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_there_is_refused() {
        let resolved = Names.resolve("169.254.169.254".parse().unwrap()).await;
        assert!(resolved.is_err_and(|error| error.to_string() == REFUSAL));
        let local = Names.resolve("localhost".parse().unwrap()).await;
        assert!(local.is_ok_and(|addresses| addresses.count() > 0));
        for host in ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254"] {
            let found = addresses(host, 4222).await;
            assert!(found.is_err_and(|error| error.to_string() == REFUSAL), "{host}");
        }
    }
}
