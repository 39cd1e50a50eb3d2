//! Versions of `kwbase` on hosts and of nodes that run: all the same, or nothing grows.

use bellows_proto::v1::SystemFacts;

use super::view::View;

/// The program that is wrapped, in [`SystemFacts`].
pub(super) const TOOL: &str = "kwbase";
/// The optional front end, in [`SystemFacts`].
pub(super) const DEPLOY_SH: &str = "deploy.sh";

/// The version of a tool; `None`: it is not there.
pub(super) fn of_tool<'a>(facts: &'a SystemFacts, tool: &str) -> Option<&'a str> {
    let found = facts.tools.iter().find(|one| one.tool == tool)?;
    (!found.version.is_empty()).then_some(found.version.as_str())
}

/// The one version of these hosts' programs and of the members that run there. Inner error: a difference,
/// in words; outer error: something was not read.
pub(super) fn one_version(
    view: View<'_>,
    hosts: &[String],
) -> Result<Result<String, String>, String> {
    let mut one: Option<(String, String)> = None;
    let mut differs = |who: String, version: &str| match &one {
        Some((first, known)) if known != version => {
            Some(format!("{who} has version {version}, {first} has {known}"))
        }
        Some(_) => None,
        None => {
            one = Some((who, version.to_owned()));
            None
        }
    };
    for host in hosts {
        let facts = view.system_facts(host)?.ok_or_else(|| format!("{host} does not list kwdb"))?;
        let version = of_tool(facts, TOOL)
            .ok_or_else(|| format!("the version of kwbase on {host} could not be read"))?;
        if let Some(difference) = differs(format!("kwbase on {host}"), version) {
            return Ok(Err(difference));
        }
        for member in view.in_spec().filter(|member| member.host == *host) {
            let Ok(server) = view.server(&member.node) else { continue };
            if server.version.is_empty() {
                return Err(format!("{} does not tell its version", member.node));
            }
            if let Some(difference) = differs(member.node.clone(), &server.version) {
                return Ok(Err(difference));
            }
        }
    }
    one.map(|(_, version)| Ok(version)).ok_or_else(|| "no host is named".to_owned())
}
