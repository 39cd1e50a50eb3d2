//! `pg_hba.conf`: who may log in.
//!
//! Versions: tried with PostgreSQL 15.20.
//! Traps:
//! - `all` in the database column does not mean `replication`.
//! - A connection to a loopback address comes from 127.0.0.1, whatever the address: members
//!   that live on loopback addresses (tests, demonstrations) need `samehost`.
//! - With an error in the file a reload keeps the old rules; a start fails.
//! - The first rule that fits decides.

use std::net::IpAddr;

use bellows_proto::v1::HbaSettings;

use super::{LOCAL_MAP, LOCAL_ROLES, Node, heading};
use crate::tools::{
    postgresql::values::{Invalid, Network, address},
    repmgr::ROLE,
};

const METHOD: &str = "scram-sha-256";

/// Renders it.
///
/// # Errors
/// If a member is no IP address, or a network none.
pub fn render(node: &Node, hba: &HbaSettings) -> Result<String, Invalid> {
    let members: Vec<IpAddr> =
        hba.members.iter().map(|text| address("member", text)).collect::<Result<_, _>>()?;
    let networks: Vec<Network> =
        hba.client_networks.iter().map(|text| Network::new(text)).collect::<Result<_, _>>()?;

    let mut text = heading(node);
    let mut rule = |words: [&str; 5]| text.push_str(&format!("{}\n", words.join(" ").trim_end()));
    let local_roles = LOCAL_ROLES.join(",");
    rule(["local", "all", &local_roles, "peer", &format!("map={LOCAL_MAP}")]);
    rule(["local", "all", "all", METHOD, ""]);
    for member in &members {
        let host = Network::host(*member).to_string();
        rule(["host", "all,replication", ROLE, &host, METHOD]);
    }
    if members.iter().any(IpAddr::is_loopback) {
        rule(["host", "all,replication", ROLE, "samehost", METHOD]);
    }
    // Superusers log in from members and from the host itself, never from clients' networks.
    for role in LOCAL_ROLES {
        rule(["host", "all", role, "all", "reject"]);
    }
    for network in &networks {
        rule(["host", "all", "all", &network.to_string(), METHOD]);
    }
    Ok(text)
}

/// Reads the settings back; `None`: it is not what [`render`] writes.
pub fn read_back(text: &str) -> Option<HbaSettings> {
    let mut hba = HbaSettings::default();
    for line in text.lines().filter(|line| line.starts_with("host ")) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [_, "all,replication", _, "samehost", _] | [_, "all", _, "all", "reject"] => {}
            [_, "all,replication", _, host, _] => {
                let (member, _) = host.split_once('/')?;
                hba.members.push(member.to_owned());
            }
            [_, "all", "all", network, _] => hba.client_networks.push((*network).to_owned()),
            _ => return None,
        }
    }
    text.starts_with("# Rendered by Bellows").then_some(hba)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::tools::postgresql::values::tests::node;

    #[test]
    fn each_member_is_let_in_alone() {
        let hba = HbaSettings {
            members: vec!["10.0.0.1".into(), "fd00::2".into()],
            client_networks: vec!["10.0.0.0/8".into()],
        };
        let text = render(&node(), &hba).unwrap();
        let rules: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            rules,
            [
                "local all postgres,repmgr peer map=bellows",
                "local all all scram-sha-256",
                "host all,replication repmgr 10.0.0.1/32 scram-sha-256",
                "host all,replication repmgr fd00::2/128 scram-sha-256",
                "host all postgres all reject",
                "host all repmgr all reject",
                "host all all 10.0.0.0/8 scram-sha-256",
            ]
        );
        assert!(!text.contains("trust"));
    }

    #[test]
    fn loopback_members_come_from_the_host_itself() {
        let hba = HbaSettings { members: vec!["127.44.0.2".into()], client_networks: vec![] };
        let text = render(&node(), &hba).unwrap();
        assert!(text.contains("host all,replication repmgr samehost scram-sha-256\n"));
        assert_eq!(read_back(&text), Some(hba));
    }

    proptest! {
        #[test]
        fn settings_are_read_back(
            v4 in prop::collection::vec(any::<Ipv4Addr>(), 0..5),
            v6 in prop::collection::vec(any::<Ipv6Addr>(), 0..5),
            networks in prop::collection::vec((any::<Ipv4Addr>(), 0u8..=32), 0..5),
        ) {
            let members = v4.iter().map(ToString::to_string).chain(v6.iter().map(ToString::to_string));
            let hba = HbaSettings {
                members: members.collect(),
                client_networks: networks.iter().map(|(a, p)| format!("{a}/{p}")).collect(),
            };
            prop_assert_eq!(read_back(&render(&node(), &hba).unwrap()), Some(hba));
        }

        #[test]
        fn no_value_makes_a_rule_of_its_own(member: String, network: String) {
            let hba = HbaSettings { members: vec![member], client_networks: vec![network] };
            if let Ok(text) = render(&node(), &hba) {
                prop_assert!(text.lines().count() <= 9);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = read_back(&text);
        }
    }
}
