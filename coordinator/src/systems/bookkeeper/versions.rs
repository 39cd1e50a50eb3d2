//! Versions of BookKeeper: all members and new ones have the same, or nothing grows.

use bellows_proto::v1::SystemFacts;

use super::view::{View, reading};

/// The program that is wrapped, in [`SystemFacts`].
pub(super) const TOOL: &str = "bookkeeper";

/// The version of the tool; `None`: it is not there.
pub(super) fn of_tool(facts: &SystemFacts) -> Option<&str> {
    let found = facts.tools.iter().find(|one| one.tool == TOOL)?;
    (!found.version.is_empty()).then_some(found.version.as_str())
}

/// The version of a node: as it was read there, else of the program that its host has.
pub(super) fn of_node(view: View<'_>, node: &str) -> Result<String, String> {
    let member = view.member(node).ok_or_else(|| format!("{node} was not asked"))?;
    let own = reading(member)?.version.as_str();
    if !own.is_empty() {
        return Ok(own.to_owned());
    }
    let facts = view.system_facts(&member.host)?;
    let facts = facts.ok_or_else(|| format!("{} does not list bookkeeper", member.host))?;
    let version = of_tool(facts)
        .ok_or_else(|| format!("the version of BookKeeper on {} could not be read", member.host))?;
    Ok(version.to_owned())
}

/// The one version of these nodes. Inner error: a difference, in words; outer error: something was not read.
pub(super) fn one_version(
    view: View<'_>,
    nodes: &[String],
) -> Result<Result<String, String>, String> {
    let mut one: Option<(&str, String)> = None;
    for node in nodes {
        let version = of_node(view, node)?;
        match &one {
            Some((first, known)) if *known != version => {
                return Ok(Err(format!("{node} has version {version}, {first} has {known}")));
            }
            Some(_) => {}
            None => one = Some((node, version)),
        }
    }
    one.map(|(_, version)| Ok(version)).ok_or_else(|| "no node is named".to_owned())
}

/// Three numbers of a version: "4.17.3", "4.17.3-SNAPSHOT".
pub(super) fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let plain = version.split(['-', '+', ' ']).next().unwrap_or(version);
    let mut parts = plain.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    Some((major, minor, parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_have_numbers() {
        assert_eq!(numbers("4.17.3"), Some((4, 17, 3)));
        assert_eq!(numbers("4.18"), Some((4, 18, 0)));
        assert_eq!(numbers("4.17.3-SNAPSHOT"), Some((4, 17, 3)));
        assert_eq!(numbers(""), None);
        assert_eq!(numbers("x.1"), None);
    }
}
