//! Whether hosts and servers are alike enough to copy data between them byte by byte.

use bellows_proto::v1::{HostFacts, SystemFacts};

use super::view::{self, SYSTEM, View};

/// In what two hosts differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Server,
    Architecture,
    CLibrary,
    Collation,
    /// It was not read.
    Unknown,
}

/// One difference, in words.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) kind: Kind,
    pub(super) host: String,
    pub(super) value: String,
}

/// Tools whose versions must agree, and how many of their numbers.
const TOOLS: [(&str, usize); 2] = [("postgres", 1), ("repmgr", 2)];

/// Every difference between these hosts, and within the databases of members that live there.
pub(super) fn differences(view: View<'_>, hosts: &[&str]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut reference: Option<(&str, &HostFacts)> = None;
    for host in hosts {
        match (view.host(host), reference) {
            (Err(why), _) => {
                found.push(Difference { kind: Kind::Unknown, host: (*host).to_owned(), value: why })
            }
            (Ok(facts), None) => {
                unreadable_tools(host, facts, &mut found);
                reference = Some((host, facts));
            }
            (Ok(facts), Some(reference)) => {
                unreadable_tools(host, facts, &mut found);
                compare(reference, (host, facts), &mut found);
            }
        }
    }
    servers(view, hosts, reference, &mut found);
    found
}

fn compare(reference: (&str, &HostFacts), other: (&str, &HostFacts), found: &mut Vec<Difference>) {
    let ((here, ours), (there, theirs)) = (reference, other);
    let mut differ = |kind, what: &str, one: &str, two: &str| {
        if one.is_empty() || two.is_empty() {
            let silent = if two.is_empty() { there } else { here };
            let value = format!("{silent} does not tell its {what}");
            found.push(Difference { kind: Kind::Unknown, host: silent.to_owned(), value });
        } else if one != two {
            let value = format!("{what}: {two} on {there}, {one} on {here}");
            found.push(Difference { kind, host: there.to_owned(), value });
        }
    };
    differ(Kind::Architecture, "architecture", &ours.architecture, &theirs.architecture);
    differ(Kind::CLibrary, "C library", &ours.c_library, &theirs.c_library);
    for (tool, numbers) in TOOLS {
        if let (Some(one), Some(two)) = (tool_version(ours, tool), tool_version(theirs, tool))
            && prefix(one, numbers) != prefix(two, numbers)
        {
            differ(Kind::Server, tool, one, two);
        }
    }
}

fn unreadable_tools(host: &str, facts: &HostFacts, found: &mut Vec<Difference>) {
    for (tool, _) in TOOLS {
        if tool_version(facts, tool).is_none() {
            let value = format!("the version of {tool} on {host} could not be read");
            found.push(Difference { kind: Kind::Unknown, host: host.to_owned(), value });
        }
    }
}

/// Running servers against the first host's programs, and their collations.
fn servers(
    view: View<'_>,
    hosts: &[&str],
    reference: Option<(&str, &HostFacts)>,
    found: &mut Vec<Difference>,
) {
    let expected = reference
        .and_then(|(_, facts)| tool_version(facts, "postgres"))
        .and_then(|version| prefix(version, 1).first().copied());
    for member in view.in_spec().filter(|member| hosts.contains(&member.host.as_str())) {
        let Ok(server) = view.server(&member.node) else { continue };
        let running = server.version_number / 10_000;
        if expected.is_some_and(|major| major != running) {
            let value = format!(
                "{} runs PostgreSQL {}, the programs are of another major version",
                member.node, server.version
            );
            found.push(Difference { kind: Kind::Server, host: member.host.clone(), value });
        }
        for collation in &server.collations {
            if !collation.created_with.is_empty() && collation.created_with != collation.has_now {
                let value = format!(
                    "database {} on {} was made with collation version {}, its C library has {}",
                    collation.database, member.node, collation.created_with, collation.has_now
                );
                found.push(Difference { kind: Kind::Collation, host: member.host.clone(), value });
            }
        }
    }
}

/// Minor versions that differ: allowed, and worth a word.
pub(super) fn minor_differences<'a>(
    view: View<'_>,
    new_hosts: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let Ok(primary) = view.primary() else { return Vec::new() };
    let running = primary.server.version_number;
    let mut texts = Vec::new();
    for host in new_hosts {
        let version = view.host(host).ok().and_then(|facts| tool_version(facts, "postgres"));
        let Some(version) = version else { continue };
        let numbers = prefix(version, 2);
        if numbers
            .first()
            .zip(numbers.get(1))
            .is_some_and(|(major, minor)| major * 10_000 + minor != running)
        {
            texts.push(format!(
                "{host} has PostgreSQL {version}, {} runs {}: minor versions differ, which works; bring them level soon",
                primary.member.node, primary.server.version
            ));
        }
    }
    texts
}

/// Tools that are not there.
pub(super) fn missing_tools(facts: &SystemFacts) -> Vec<&str> {
    facts
        .tools
        .iter()
        .filter(|tool| tool.version.is_empty())
        .map(|tool| tool.tool.as_str())
        .collect()
}

/// The version within what a tool prints: "postgres (PostgreSQL) 15.18 (Debian 1)" is "15.18".
fn tool_version<'a>(facts: &'a HostFacts, tool: &str) -> Option<&'a str> {
    let of_system = facts.systems.iter().find(|known| known.system == SYSTEM)?;
    let printed = of_system.tools.iter().find(|known| known.tool == tool)?;
    printed.version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// The first numbers of a version.
fn prefix(version: &str, numbers: usize) -> Vec<u32> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .take(numbers)
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Settings that repmgr and replication need and that are not so; an unread one is an error.
pub(super) fn wrong_settings(
    server: &bellows_proto::v1::PostgresqlServer,
) -> Result<Vec<String>, String> {
    let read = |name: &str| {
        view::setting(server, name).ok_or_else(|| format!("the setting {name} could not be read"))
    };
    let mut wrong = Vec::new();
    let wal_level = read("wal_level")?;
    if !matches!(wal_level, "replica" | "logical") {
        wrong.push(format!("wal_level is {wal_level}, not replica or logical"));
    }
    let hot_standby = read("hot_standby")?;
    if hot_standby != "on" {
        wrong.push(format!("hot_standby is {hot_standby}, not on"));
    }
    if view::setting(server, "data_checksums") != Some("on") && read("wal_log_hints")? != "on" {
        wrong.push(
            "neither wal_log_hints nor data_checksums is on: no member could be rewound".to_owned(),
        );
    }
    let libraries = read("shared_preload_libraries")?;
    if !libraries.split(',').any(|library| library.trim().trim_matches('"') == "repmgr") {
        wrong.push(format!("shared_preload_libraries is {libraries:?}, without repmgr"));
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::ToolVersion;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        let printed = |version: &str| HostFacts {
            systems: vec![SystemFacts {
                system: SYSTEM.into(),
                tools: vec![ToolVersion { tool: "postgres".into(), version: version.into() }],
                ..SystemFacts::default()
            }],
            ..HostFacts::default()
        };
        let facts = printed("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)");
        assert_eq!(tool_version(&facts, "postgres"), Some("15.18"));
        assert_eq!(tool_version(&printed("15.18"), "postgres"), Some("15.18"));
        assert_eq!(tool_version(&printed(""), "postgres"), None);
        assert_eq!(prefix("15.18", 2), [15, 18]);
        assert_eq!(prefix("16beta1", 1), [16]);
        assert_eq!(prefix("5.3.3", 2), [5, 3]);
    }
}
