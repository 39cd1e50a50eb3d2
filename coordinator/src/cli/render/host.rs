//! Hosts and enrolment tokens.

use bellows_proto::v1::{
    HostDetail, HostDisk, HostFacts, HostInventory, HostSummary, HostToken, NodeRef, ProgramState,
    RemoveHostReply, RevokeHostReply, ToolVersion,
};

use super::{fault, job, upgrade};
use crate::cli::{
    page::{Page, Table, Tone},
    text::{bytes, date_time, duration},
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

/// What is wrong with the identity of hosts, or the version of their agents, a line each.
pub fn problems(page: &mut Page, before: &str, hosts: &[HostSummary]) {
    for host in hosts {
        let both = [&host.identity_problem, &host.version_problem];
        for problem in both.into_iter().filter(|problem| !problem.is_empty()) {
            page.line(Tone::Warn, &format!("{before}{}: {problem}", host.host));
        }
    }
}

/// Which program of the agent runs, whether it was put there by an upgrade, and how the last one ended.
fn program(page: &mut Page, state: &ProgramState) {
    let runs = upgrade::program(state.running.as_ref());
    let from = if state.kept.is_some() { ", from an upgrade" } else { "" };
    pairs(page, &[("agent", &format!("{runs}{from}"))]);
    if let Some(trial) = &state.trial {
        let text = format!("  {} is on trial", upgrade::program(trial.program.as_ref()));
        page.line(Tone::Warn, &text);
    }
    if let Some(last) = state.last.as_ref().filter(|last| !last.kept) {
        let zone = page.look().zone.clone();
        let (what, at) = (upgrade::program(last.program.as_ref()), date_time(last.at_ms, &zone));
        page.line(Tone::Warn, &format!("  {what} was taken back, {at}: {}", last.reason));
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
    if let Some(state) = &detail.program {
        program(page, state);
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
        tools(page, &system.tools);
    }
}

fn tools(page: &mut Page, tools: &[ToolVersion]) {
    for tool in tools {
        let missing = tool.version.is_empty();
        let version = if missing { "missing" } else { &tool.version };
        let tone = if missing { Tone::Warn } else { Tone::Plain };
        page.line(tone, &format!("    {:<10} {version}", tool.tool));
    }
}

/// What a host is made of. All of it was read when it was asked for.
pub fn inventory(page: &mut Page, inventory: &HostInventory) {
    let of = |free, total| format!("{} of {}", bytes(free), bytes(total));
    let memory = of(inventory.memory_available_bytes, inventory.memory_total_bytes);
    let processors = format!("{}  {}", inventory.cpus, inventory.cpu_model);
    let pages = inventory.facts.as_ref().map(|facts| bytes(u64::from(facts.page_size)));
    pairs(
        page,
        &[
            ("processors", processors.trim()),
            ("memory free", &memory),
            ("swap", &bytes(inventory.swap_total_bytes)),
            ("page size", &pages.unwrap_or_default()),
            ("up for", &duration(inventory.up_s.saturating_mul(1000))),
        ],
    );
    if let Some(facts) = &inventory.facts {
        host_facts(page, facts);
    }
    disks(page, &inventory.disks);
    page.line(Tone::Strong, "  base system");
    tools(page, &inventory.tools);
}

fn disks(page: &mut Page, disks: &[HostDisk]) {
    let mut table = Table::new(&["MOUNTED AT", "DEVICE", "KIND", "FREE", "OF"]);
    for disk in disks {
        let (free, total) = (bytes(disk.free_bytes), bytes(disk.total_bytes));
        let tone = if disk.read_only { Tone::Warn } else { Tone::Plain };
        table.row(tone, &[&disk.mounted_at, &disk.device, &disk.kind, &free, &total]);
    }
    page.table(2, &table);
}

/// What to do with a token: for the administrator's eyes, beside the token itself.
pub fn token_help(page: &mut Page, token: &HostToken) {
    token_until(page, token);
    page.line(Tone::Plain, &format!("On {} run, and paste it:", token.host));
    page.line(
        Tone::Strong,
        &format!("  bellows-agent enrol --coordinator {} --token -", token.enrolment_address),
    );
}

/// Whom a token lets in, and for how long.
pub fn token_until(page: &mut Page, token: &HostToken) {
    let until = date_time(token.expires_at_ms, &page.look().zone);
    page.line(
        Tone::Plain,
        &format!("This token lets host {} in, once, until {until}.", token.host),
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
    fn a_host_with_what_it_is_made_of() {
        let disk = HostDisk {
            mounted_at: "/".into(),
            device: "/dev/vda".into(),
            kind: "xfs".into(),
            total_bytes: 10 << 30,
            free_bytes: 3 << 30,
            read_only: false,
        };
        let tool =
            |tool: &str, version: &str| ToolVersion { tool: tool.into(), version: version.into() };
        let mut page = Page::new(&Look::plain());
        inventory(
            &mut page,
            &HostInventory {
                facts: Some(HostFacts {
                    os: "Debian".into(),
                    page_size: 4096,
                    ..HostFacts::default()
                }),
                cpus: 8,
                cpu_model: "A CPU".into(),
                memory_total_bytes: 16 << 30,
                memory_available_bytes: 9 << 30,
                swap_total_bytes: 1 << 30,
                up_s: 90_000,
                disks: vec![disk],
                tools: vec![tool("systemctl", "systemd 252"), tool("rsync", "")],
            },
        );
        insta::assert_snapshot!(page.into_text());
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
