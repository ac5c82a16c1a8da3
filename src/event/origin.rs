//! Where a request came from: the address that can be trusted out of `sourceIPs`.
//!
//! Refuses to believe `X-Forwarded-For`: only the last entry is the server's own word, and entries
//! before it count only behind a proxy that the operator named.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Stands for an entry of `sourceIPs` that cannot be read: no client has this address.
pub const UNREADABLE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// An address as servers and proxies write it: alone, with a port, in brackets, with a zone.
#[must_use]
pub fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip);
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip());
    }
    let inner = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            let is_port = port.is_empty()
                || port
                    .strip_prefix(':')
                    .is_some_and(|port| port.parse::<u16>().is_ok());
            is_port.then_some(inner)?
        }
        None => text,
    };
    let (address, zone) = inner.split_once('%').unwrap_or((inner, "-"));
    address.parse().ok().filter(|ip: &IpAddr| {
        !zone.is_empty() && (ip.is_ipv6() || inner == address && inner == text)
    })
}

/// Walks from the right over `trusted` proxies and returns the first address that is none of them
/// (the leftmost if all are). An IPv4 address in IPv6 clothes is returned as IPv4. An entry that
/// cannot be read ends the walk without an origin: the one before it is the client's word.
#[must_use]
pub fn caller(source_ips: &[IpAddr], trusted: &[IpNet]) -> Option<IpAddr> {
    let is_proxy = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let rightmost = source_ips.iter().rev().map(IpAddr::to_canonical);
    let mut last = None;
    for ip in rightmost {
        if ip.is_unspecified() {
            return None;
        }
        last = Some(ip);
        if !is_proxy(&ip) {
            break;
        }
    }
    last
}

/// Addresses that cannot be reached over the internet: RFC 1918, 6598, 4193, loopback, link-local.
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// The network that stands for an external address: neighbours of one are one origin (/24, /64).
#[must_use]
pub fn neighbourhood(ip: IpAddr) -> IpNet {
    let prefix = if ip.is_ipv4() { 24 } else { 64 };
    IpNet::new(ip, prefix).map_or(IpNet::from(ip), |net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(text: &[&str]) -> Vec<IpAddr> {
        text.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn a_forged_header_does_not_move_the_caller() {
        assert_eq!(
            caller(&ips(&["10.0.0.5", "203.0.113.9"]), &[]),
            Some("203.0.113.9".parse().unwrap())
        );
    }

    #[test]
    fn ports_brackets_and_zones_are_read() {
        for text in ["10.131.0.7", "10.131.0.7:37194", " 10.131.0.7 "] {
            assert_eq!(parse(text), Some("10.131.0.7".parse().unwrap()), "{text}");
        }
        for text in [
            "2001:db8::9",
            "[2001:db8::9]:443",
            "[2001:db8::9]",
            "2001:db8::9%eth0",
            "[2001:db8::9%eth0]:443",
        ] {
            assert_eq!(parse(text), Some("2001:db8::9".parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "unknown",
            "@",
            "10.0.0",
            "10.0.0.1:",
            "10.0.0.1:99999",
            "[10.0.0.1",
            "[::1]x",
            "10.0.0.1%eth0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_origin() {
        let trusted = ["172.31.0.0/16".parse().unwrap()];
        let forged: IpAddr = "10.0.0.5".parse().unwrap();
        assert_eq!(caller(&[forged, UNREADABLE], &[]), None);
        assert_eq!(
            caller(
                &[forged, UNREADABLE, "172.31.4.4".parse().unwrap()],
                &trusted
            ),
            None
        );
        assert_eq!(
            caller(&[UNREADABLE, forged], &[]),
            Some(forged),
            "the last entry is the server's own"
        );
    }

    #[test]
    fn trusted_proxies_are_walked_over_from_the_right() {
        let trusted = [
            "172.31.0.0/16".parse().unwrap(),
            "10.1.0.0/24".parse().unwrap(),
        ];
        let seen = ips(&["1.2.3.4", "203.0.113.9", "10.1.0.7", "::ffff:172.31.4.4"]);
        assert_eq!(
            caller(&seen, &trusted),
            Some("203.0.113.9".parse().unwrap())
        );
        assert_eq!(
            caller(&seen[2..], &trusted),
            Some("10.1.0.7".parse().unwrap()),
            "all are proxies: the leftmost"
        );
        assert_eq!(caller(&[], &trusted), None);
    }
}
