//! Hosts that were added, or were to be.

use bellows_proto::v1::{AddHostsReply, AddedHost, HostFinding};

use super::fault;
use crate::cli::page::{Page, Table, Tone};

/// What became of each host, then why.
pub fn hosts(page: &mut Page, reply: &AddHostsReply) {
    let mut table = Table::new(&["HOST", "SSH", "OUTCOME", "ADDRESS", "AGENT"]);
    for added in &reply.hosts {
        let summary = added.summary.clone().unwrap_or_default();
        let cells = [
            added.host.as_str(),
            added.destination.as_str(),
            added.outcome.as_str(),
            summary.address.as_str(),
            summary.agent_version.as_str(),
        ];
        table.row(tone(added), &cells);
    }
    page.table(0, &table);
    for added in &reply.hosts {
        reasons(page, added);
    }
}

fn tone(added: &AddedHost) -> Tone {
    let refused = added.findings.iter().any(|finding| finding.refuses);
    match (refused || added.fault.is_some(), added.findings.is_empty()) {
        (true, _) => Tone::Bad,
        (false, true) => Tone::Plain,
        (false, false) => Tone::Warn,
    }
}

fn reasons(page: &mut Page, added: &AddedHost) {
    for finding in &added.findings {
        finding_lines(page, &added.host, finding);
    }
    if let Some(seen) = &added.fault {
        fault::fault(page, "", &seen.clone().at(&added.host));
    }
    if !added.left.is_empty() {
        page.line(Tone::Warn, &format!("  left on {}: {}", added.host, added.left.join(" ")));
    }
}

fn finding_lines(page: &mut Page, host: &str, finding: &HostFinding) {
    let (tone, word) = if finding.refuses { (Tone::Bad, "refused") } else { (Tone::Warn, "note") };
    page.spans(&[
        (Tone::Plain, &format!("{host}: ")),
        (tone, word),
        (Tone::Plain, " by "),
        (Tone::Strong, &format!("{} {}", finding.code, finding.name)),
    ]);
    page.line(Tone::Plain, &format!("  saw: {}", finding.seen));
    page.line(Tone::Plain, &format!("  do:  {}", finding.remedy));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::{Fault, FaultCode, HostSummary};

    #[test]
    fn each_host_and_what_stands_against_it() {
        let finding = |refuses| HostFinding {
            code: "HOST-10".into(),
            name: "the agent's port is taken".into(),
            seen: "port 7401: nginx pid 7".into(),
            remedy: "stop what listens there".into(),
            refuses,
        };
        let host = |host: &str, outcome: &str| AddedHost {
            host: host.into(),
            destination: format!("root@{host}"),
            outcome: outcome.into(),
            ..AddedHost::default()
        };
        let summary = HostSummary {
            address: "10.0.0.1:7401".into(),
            agent_version: "0.1.0".into(),
            ..HostSummary::default()
        };
        let hosts_seen = vec![
            AddedHost {
                summary: Some(summary),
                findings: vec![finding(false)],
                ..host("db1", "added")
            },
            AddedHost { findings: vec![finding(true)], ..host("db2", "refused") },
            AddedHost {
                fault: Some(
                    Fault::new(FaultCode::Unreachable, "ssh to root@db3: no connection")
                        .remedy("look"),
                ),
                left: vec!["/var/lib/bellows-host-add".into()],
                ..host("db3", "failed, not all taken back")
            },
        ];
        let mut page = Page::new(&Look::plain());
        hosts(&mut page, &AddHostsReply { hosts: hosts_seen });
        insta::assert_snapshot!(page.into_text());
    }
}
