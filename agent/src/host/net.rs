//! Addresses and listening ports, read from `/proc/net`: pure parsers and their readers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use camino::Utf8Path;

use super::{Host, HostError};

/// `/proc/net/*` may be so long.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Addresses that something listens on with this TCP port; unspecified ones (`0.0.0.0`,
/// `::`) stand for all addresses.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn listeners(host: &dyn Host, port: u16) -> Result<Vec<IpAddr>, HostError> {
    let mut found = Vec::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let bytes = host.read(Utf8Path::new(path), LIMIT)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        found.extend(
            parse_listeners(&text)
                .into_iter()
                .filter(|(_, found)| *found == port)
                .map(|(address, _)| address),
        );
    }
    Ok(found)
}

/// Own addresses, sorted, without loopback unless there is nothing else; link-local IPv6
/// addresses are left out, they need a scope.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn addresses(host: &dyn Host) -> Result<Vec<IpAddr>, HostError> {
    let read = |path| -> Result<String, HostError> {
        let bytes = host.read(Utf8Path::new(path), LIMIT)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut all = parse_fib_trie(&read("/proc/net/fib_trie")?);
    all.extend(parse_if_inet6(&read("/proc/net/if_inet6")?));
    all.sort();
    all.dedup();
    let outer: Vec<_> = all.iter().copied().filter(|a| !a.is_loopback()).collect();
    Ok(if outer.is_empty() { all } else { outer })
}

/// Local addresses of sockets in state LISTEN (0A), with ports.
fn parse_listeners(text: &str) -> Vec<(IpAddr, u16)> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (local, state) = (fields.nth(1)?, fields.nth(1)?);
            if state != "0A" {
                return None;
            }
            let (address, port) = local.rsplit_once(':')?;
            Some((parse_words(address)?, u16::from_str_radix(port, 16).ok()?))
        })
        .collect()
}

/// The kernel prints addresses as 32-bit words in host byte order.
fn parse_words(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for start in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let sixteen = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
    let address = Ipv6Addr::from(sixteen);
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

/// Leaves `|-- ADDRESS` that are followed by `/32 host LOCAL`.
fn parse_fib_trie(text: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut leaf = None;
    for line in text.lines() {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.trim().parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(leaf.map(IpAddr::V4).filter(|a| !found.contains(a)));
        }
    }
    found
}

fn parse_if_inet6(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let digits = line.split_ascii_whitespace().next()?;
            let address = Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?);
            (address.segments().first()? & 0xffc0 != 0xfe80).then_some(IpAddr::V6(address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n   0: 0100007F:1538 00000000:0000 0A 00000000:00000000\n   1: 0100007F:1539 0100007F:0050 01 00000000:00000000\n";
    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.0\n        /24 link UNICAST\n     |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";

    #[test]
    fn sockets_and_addresses_are_read() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(parse_listeners(TCP), [(local, 5432)]);
        assert_eq!(parse_fib_trie(TRIE), ["10.1.2.3".parse::<IpAddr>().unwrap(), local]);
        let six = "fe800000000000000000000000000001 02 40 20 80 eth0\n20010db8000000000000000000000005 02 40 00 80 eth0\n";
        assert_eq!(parse_if_inet6(six), ["2001:db8::5".parse::<IpAddr>().unwrap()]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[ -~\n|/0-9A-F:.]{0,300}") {
            let _ = (parse_listeners(&text), parse_fib_trie(&text), parse_if_inet6(&text));
        }
    }
}
