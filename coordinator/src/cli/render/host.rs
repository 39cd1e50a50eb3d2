//! Hosts and enrolment tokens.

use bellows_proto::v1::{
    HostDetail, HostFacts, HostSummary, HostToken, NodeRef, RemoveHostReply, RevokeHostReply,
};

use super::{fault, job};
use crate::cli::{
    page::{Page, Table, Tone},
    text::{bytes, date_time},
    words,
};

/// A table of hosts.
pub fn list(page: &mut Page, hosts: &[HostSummary]) {
    if hosts.is_empty() {
        page.line(Tone::Plain, "There are no hosts. Let one in: bellows host token HOST");
        return;
    }
    let mut table = Table::new(&["HOST", "STATE", "ADDRESS", "AGENT", "NODES"]);
    for host in hosts {
        let state = state(host);
        table.row(
            tone(host),
            &[&host.host, &state, &host.address, &host.agent_version, &nodes(&host.nodes)],
        );
    }
    page.table(0, &table);
    for host in hosts.iter().filter(|host| !host.reason.is_empty()) {
        page.line(Tone::Warn, &format!("{}: {}", host.host, host.reason));
    }
    problems(page, "", hosts);
}

/// What is wrong with the identity of hosts, a line each.
pub fn problems(page: &mut Page, before: &str, hosts: &[HostSummary]) {
    for host in hosts.iter().filter(|host| !host.identity_problem.is_empty()) {
        page.line(Tone::Warn, &format!("{before}{}: {}", host.host, host.identity_problem));
    }
}

/// "until 2027-11-20 10:00, 183 days"; empty: not known.
fn certificate(host: &HostSummary, zone: &jiff::tz::TimeZone) -> String {
    if host.certificate_until_ms == 0 {
        return String::new();
    }
    let days = usize::try_from(host.certificate_days_left).unwrap_or(0);
    let until = date_time(host.certificate_until_ms, zone);
    format!("until {until}, {} left", words::count(days, "day"))
}

fn tone(host: &HostSummary) -> Tone {
    match (host.state.as_str(), observed_only(host)) {
        ("connected", false) => Tone::Plain,
        ("connected", true) => Tone::Warn,
        (_, _) => Tone::Bad,
    }
}

fn observed_only(host: &HostSummary) -> bool {
    host.mode == "observe"
}

/// Its state, and that nothing may be changed there.
fn state(host: &HostSummary) -> String {
    if observed_only(host) { format!("{}, observe only", host.state) } else { host.state.clone() }
}

/// "orders/pg1 billing/pg2".
pub fn nodes(nodes: &[NodeRef]) -> String {
    let named: Vec<String> = nodes.iter().map(|n| format!("{}/{}", n.cluster, n.node)).collect();
    named.join(" ")
}

/// One host with what its agent says of it.
pub fn detail(page: &mut Page, detail: &HostDetail) {
    let zone = page.look().zone.clone();
    if let Some(host) = &detail.summary {
        page.spans(&[(Tone::Strong, &host.host), (Tone::Plain, "  "), (tone(host), &state(host))]);
        let enrolled = date_time(host.enrolled_at_ms, &zone);
        let seen = date_time(host.last_seen_at_ms, &zone);
        pairs(
            page,
            &[
                ("address", &host.address),
                ("enrolled", &enrolled),
                ("last seen", &seen),
                ("nodes", &nodes(&host.nodes)),
                ("certificate", &certificate(host, &zone)),
            ],
        );
        problems(page, "  ", std::slice::from_ref(host));
    }
    if let Some(facts) = &detail.facts {
        host_facts(page, facts);
    }
    if let Some(seen) = &detail.fault {
        fault::fault(page, "  ", seen);
    }
    if !detail.unknown_jobs.is_empty() {
        page.line(Tone::Bad, "  jobs and fences that the journal does not know:");
        job::table(page, 4, &detail.unknown_jobs);
        page.line(Tone::Plain, "    do: look at the host, then `bellows job settle`");
    }
}

/// What became of a host that left, and what is left on it.
pub fn removed(page: &mut Page, reply: &RemoveHostReply) {
    let host = reply.removed.as_ref().map(|host| host.host.as_str()).unwrap_or_default();
    page.line(Tone::Plain, &format!("Host {host} is removed: its key is not accepted any more."));
    page.line(
        Tone::Plain,
        &format!(
            "Nothing was changed on it. What is left there: bellows-agent with its data_dir. On \
             {host}, once it is of no use: systemctl disable --now bellows-agent"
        ),
    );
}

/// What a revocation means, and what it does not.
pub fn revoked(page: &mut Page, reply: &RevokeHostReply) {
    let host = reply.revoked.as_ref().map(|host| host.host.as_str()).unwrap_or_default();
    let text = format!("Host {host} is revoked: its certificate is not accepted any more.");
    page.line(Tone::Plain, &text);
    page.line(
        Tone::Plain,
        &format!(
            "Nothing was changed on it, and what runs there goes on. Its nodes stay in their specs: replace them, or let \
             it in again with a new key: bellows host token {host}"
        ),
    );
}

fn pairs(page: &mut Page, pairs: &[(&str, &str)]) {
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        page.line(Tone::Plain, &format!("  {name:<12} {value}"));
    }
}

fn host_facts(page: &mut Page, facts: &HostFacts) {
    let clock = date_time(facts.clock_ms, &page.look().zone);
    pairs(
        page,
        &[
            ("system", &facts.os),
            ("machine", &format!("{} {}", facts.architecture, facts.kernel)),
            ("C library", &facts.c_library),
            ("clock", &clock),
            ("addresses", &facts.addresses.join(" ")),
            ("machine id", &facts.machine_id),
            ("agent", &format!("{} ({}, {})", facts.agent_version, facts.mode, facts.launch_form)),
        ],
    );
    for system in &facts.systems {
        page.line(Tone::Strong, &format!("  {}", system.system));
        let free =
            format!("{} of {}", bytes(system.data_free_bytes), bytes(system.data_total_bytes));
        pairs(page, &[("  reached at", &system.address), ("  disk free", &free)]);
        for tool in &system.tools {
            let missing = tool.version.is_empty();
            let version = if missing { "missing" } else { &tool.version };
            let tone = if missing { Tone::Warn } else { Tone::Plain };
            page.line(tone, &format!("    {:<10} {version}", tool.tool));
        }
    }
}

/// What to do with a token: for the administrator's eyes, beside the token itself.
pub fn token_help(page: &mut Page, token: &HostToken) {
    let until = date_time(token.expires_at_ms, &page.look().zone);
    page.line(
        Tone::Plain,
        &format!(
            "This token lets host {} in, once, until {until}. On {} run, and paste it:",
            token.host, token.host
        ),
    );
    page.line(
        Tone::Strong,
        &format!("  bellows-agent enrol --coordinator {} --token -", token.enrolment_address),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::{SystemFacts, ToolVersion};

    fn summary() -> HostSummary {
        HostSummary {
            host: "h1".into(),
            address: "10.0.0.1:7402".into(),
            state: "connected".into(),
            agent_version: "0.1.0".into(),
            enrolled_at_ms: 1_700_000_000_000,
            nodes: vec![NodeRef { cluster: "orders".into(), node: "pg1".into() }],
            ..HostSummary::default()
        }
    }

    #[test]
    fn hosts_in_a_table_with_reasons_below() {
        let gone = HostSummary {
            host: "h2".into(),
            state: "unreachable".into(),
            reason: "connection refused".into(),
            ..HostSummary::default()
        };
        let mut page = Page::new(&Look::plain());
        let observed = HostSummary { host: "h3".into(), mode: "observe".into(), ..summary() };
        list(&mut page, &[summary(), gone, observed]);
        insta::assert_snapshot!(page.into_text(), @r"
        HOST  STATE                    ADDRESS        AGENT  NODES
        h1    connected                10.0.0.1:7402  0.1.0  orders/pg1
        h2    unreachable              -              -      -
        h3    connected, observe only  10.0.0.1:7402  0.1.0  orders/pg1
        h2: connection refused
        ");
    }

    #[test]
    fn a_host_with_its_tools() {
        let facts = HostFacts {
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            architecture: "x86_64".into(),
            kernel: "6.1".into(),
            c_library: "glibc 2.36".into(),
            agent_version: "0.1.0".into(),
            mode: "manage".into(),
            launch_form: "process".into(),
            systems: vec![SystemFacts {
                system: "postgresql".into(),
                tools: vec![
                    ToolVersion { tool: "postgres".into(), version: "15.8".into() },
                    ToolVersion { tool: "repmgr".into(), version: String::new() },
                ],
                data_free_bytes: 5 << 30,
                data_total_bytes: 10 << 30,
                address: "10.0.0.1".into(),
            }],
            ..HostFacts::default()
        };
        let mut page = Page::new(&Look::plain());
        detail(
            &mut page,
            &HostDetail { summary: Some(summary()), facts: Some(facts), ..HostDetail::default() },
        );
        insta::assert_snapshot!(page.into_text());
    }
}
