//! Who asks: the address to which limits apply.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};

/// The address and port that Spin was called from. Spin adds it after whatever a client sends under this name.
const CALLER: &str = "spin-client-addr";

/// What each proxy adds to: the address that it was called from.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client, as the last of so many proxies of ours saw it; none is known to a runtime that
/// does not say. With no proxies it is who called us, and what anybody claims in `X-Forwarded-For` is not read. With
/// one, it is the last address there, which that proxy added; with two, the last but one, and so on.
///
/// A request that has passed fewer proxies than that is the caller's own.
pub fn address(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let caller = || parse(headers.get_all(CALLER).iter().next_back()?.to_str().ok()?);
    if proxies == 0 {
        return caller();
    }
    let forwarded = crate::list(headers, FORWARDED_FOR);
    match forwarded.rsplit(',').nth(proxies - 1) {
        Some(address) if !address.trim().is_empty() => parse(address.trim()).or_else(caller),
        _ => caller(),
    }
}

/// What one client is: an IPv4 address, or the 64 bits that an IPv6 network gives each of its customers at least.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        address => address,
    }
}

/// An address with or without a port, as proxies write it.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = text.parse().map(|it: SocketAddr| it.ip());
    address
        .or_else(|_| bare.unwrap_or(text).parse())
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for caller in ["6.6.6.6:80", "10.0.0.9:4711"] {
            headers.append(CALLER, caller.parse().unwrap());
        }
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        address(&headers, proxies).unwrap().to_string()
    }

    #[test]
    fn only_what_our_proxies_add_is_believed() {
        let spoofed = ["6.6.6.6", "203.0.113.7, 10.0.0.1"];
        assert_eq!(of(&spoofed, 0), "10.0.0.9");
        assert_eq!(of(&spoofed, 1), "10.0.0.1");
        assert_eq!(of(&spoofed, 2), "203.0.113.7");
        assert_eq!(of(&spoofed, 3), "6.6.6.6");
        for passed_by in [&[][..], &["unknown"], &["6.6.6.6,"], &["6.6.6.6, _x"]] {
            assert_eq!(of(passed_by, 1), "10.0.0.9", "{passed_by:?}");
        }
        assert_eq!(of(&["6.6.6.6"], 2), "10.0.0.9");
        assert_eq!(address(&HeaderMap::new(), 0), None);
    }

    #[test]
    fn addresses_come_with_and_without_a_port() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:80", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(of(&[text], 1), address, "{text}");
        }
    }

    #[test]
    fn a_customer_of_an_ipv6_network_is_one_client() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
    }
}
