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

/// Metadata services that have no link-local address: Alibaba's and Azure's (WireServer).
const ELSEWHERE: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
/// Those over IPv6: Amazon's, the Pod Identity agent of EKS, Google's.
const ELSEWHERE_IPV6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Link-local addresses (RFC 3927, RFC 4291), and the metadata services that are elsewhere, also through a translator.
fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_link_local() || address.is_unspecified() || ELSEWHERE.contains(&address)
        }
        IpAddr::V6(address) => match ipv4_within(address) {
            Some(within) => is_forbidden(within.into()),
            None => {
                address.is_unicast_link_local()
                    || address.is_unspecified()
                    || ELSEWHERE_IPV6.contains(&address)
            }
        },
    }
}

/// The IPv4 address that one of IPv6 stands for: mapped (RFC 4291, 2.5.5.2), by the prefixes of translators (RFC 6052, RFC 8215), or
/// 6to4 (RFC 3056).
fn ipv4_within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => of(high, low),
        // By a prefix for local use (RFC 8215), as RFC 6052 has it for 96 bits; shorter ones have it elsewhere, and lead to no host.
        [0x64, 0xff9b, 1, ..] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        _ => None,
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
            ("http://168.63.129.16/machine", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://[fd20:ce::254]/", true),
            ("http://[64:ff9b::a9fe:a9fe]/", true),
            ("http://[64:ff9b::169.254.170.23]/", true),
            ("http://[64:ff9b::168.63.129.16]/", true),
            ("http://[64:ff9b::100.100.100.200]/", true),
            ("http://[2002:a9fe:a9fe::1]/", true),
            ("http://[::ffff:168.63.129.16]/", true),
            ("http://[64:ff9b:1::a9fe:a9fe]/", true),
            ("http://[64:ff9b:1:ab:cd::169.254.169.254]/", true),
            ("http://[64:ff9b:1::10.0.0.1]/", false),
            ("http://[64:ff9b::10.0.0.1]/", false),
            ("http://168.63.129.17/", false),
            ("http://[fd00:ec2::1]/", false),
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
