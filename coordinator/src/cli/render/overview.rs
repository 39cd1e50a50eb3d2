//! The whole site on one screen: a line per cluster with the age of its reading, and below it
//! only what needs somebody.

use bellows_proto::v1::{ClusterStatus, HoldCause, HostSummary, OperationSummary, Overview};

use super::fault;
use crate::cli::{
    page::{Page, Table, Tone},
    text::{date_time, duration},
    words,
};

/// The state of a host that answers.
const CONNECTED: &str = "connected";

/// A reading that is older is told as old: the coordinator looks about once a minute.
const OLD_MS: u64 = 180_000;

/// Everything at one glance.
pub fn overview(page: &mut Page, overview: &Overview) {
    headline(page, overview);
    if overview.clusters.is_empty() {
        page.gap();
        if overview.hosts.is_empty() {
            super::host::list(page, &[]);
        }
        super::cluster::list(page, &[]);
    } else {
        page.gap();
        clusters(page, overview);
        overview.clusters.iter().for_each(|status| troubles(page, status));
    }
    hosts(page, overview);
    identities(page, overview);
    operations(page, overview);
}

/// Certificates that somebody has to look after; nothing where there are none.
fn identities(page: &mut Page, overview: &Overview) {
    let own = overview.site.as_ref().map(|site| site.identity_problem.as_str()).unwrap_or_default();
    let any = overview.hosts.iter().any(|host| !host.identity_problem.is_empty());
    if own.is_empty() && !any {
        return;
    }
    page.gap();
    page.line(Tone::Strong, "Certificates");
    if !own.is_empty() {
        page.line(Tone::Bad, &format!("  {own}"));
    }
    super::host::problems(page, "  ", &overview.hosts);
}

/// The site, and how much of it is as wanted.
fn headline(page: &mut Page, overview: &Overview) {
    let site = overview.site.clone().unwrap_or_default();
    let healthy = overview.clusters.iter().filter(|status| is_healthy(status)).count();
    let answer = overview.hosts.iter().filter(|host| host.state == CONNECTED).count();
    let (tone, text) = of(healthy, overview.clusters.len(), "cluster", "healthy");
    let (host_tone, host_text) = of(answer, overview.hosts.len(), "host", "connected");
    page.spans(&[
        (Tone::Strong, &format!("site {}", site.name)),
        (Tone::Plain, "  "),
        (tone, &text),
        (Tone::Plain, "  "),
        (host_tone, &host_text),
    ]);
}

/// "2 of 3 clusters healthy".
fn of(some: usize, all: usize, what: &str, are: &str) -> (Tone, String) {
    match (some, all) {
        (_, 0) => (Tone::Plain, format!("no {what}s")),
        (some, all) if some == all => (Tone::Good, format!("{} {are}", words::count(all, what))),
        (some, all) => (Tone::Bad, format!("{some} of {} {are}", words::count(all, what))),
    }
}

fn is_healthy(status: &ClusterStatus) -> bool {
    status.problems.is_empty() && status.unknown.is_empty()
}

fn clusters(page: &mut Page, overview: &Overview) {
    let mut table = Table::new(&["CLUSTER", "SYSTEM", "HEALTH", "MEMBERS", "SEEN", "OPERATION"]);
    for status in &overview.clusters {
        let (tone, health) = super::cluster::health(status);
        let well = status.members.iter().filter(|member| member.healthy).count();
        let tone = if tone == Tone::Good { Tone::Plain } else { tone };
        let held = overview.open.iter().find(|one| one.operation == status.held_by);
        table.row(
            tone,
            &[
                &status.cluster,
                &words::system(status.system()),
                &health,
                &format!("{well} of {}", status.members.len()),
                &format!("{} ago", duration(age(status))),
                &held.map_or_else(|| status.held_by.clone(), going),
            ],
        );
    }
    page.table(0, &table);
}

fn age(status: &ClusterStatus) -> u64 {
    u64::try_from(status.age_ms).unwrap_or(0)
}

/// "expand, step 4/12, running".
fn going(one: &OperationSummary) -> String {
    format!("{}, step {}/{}, {}", one.kind, one.step, one.steps, words::state(one))
}

fn troubles(page: &mut Page, status: &ClusterStatus) {
    let old = age(status) >= OLD_MS;
    if is_healthy(status) && !old {
        return;
    }
    page.gap();
    page.line(Tone::Strong, &status.cluster);
    for problem in &status.problems {
        page.spans(&[(Tone::Bad, "  problem: "), (Tone::Plain, problem)]);
    }
    for unknown in &status.unknown {
        page.spans(&[(Tone::Warn, "  unknown: "), (Tone::Plain, &fault::one_line(unknown))]);
    }
    if old {
        let seen = date_time(status.observed_at_ms, &page.look().zone);
        page.line(Tone::Warn, &format!("  old reading, of {seen}: ask again with --fresh"));
    }
}

/// Those that do not answer; the others are counted only.
fn hosts(page: &mut Page, overview: &Overview) {
    let silent = overview.hosts.iter().filter(|host| host.state != CONNECTED);
    let silent: Vec<&HostSummary> = silent.collect();
    if silent.is_empty() {
        return;
    }
    page.gap();
    page.line(Tone::Strong, "Hosts that do not answer");
    let zone = page.look().zone.clone();
    let mut table = Table::new(&["HOST", "STATE", "LAST SEEN", "NODES", "WHY"]);
    for host in silent {
        let seen = date_time(host.last_seen_at_ms, &zone);
        let nodes = super::host::nodes(&host.nodes);
        table.row(Tone::Bad, &[&host.host, &host.state, &seen, &nodes, &host.reason]);
    }
    page.table(2, &table);
}

/// Operations that wait for somebody, then those that run.
fn operations(page: &mut Page, overview: &Overview) {
    if overview.open.is_empty() {
        return;
    }
    page.gap();
    page.line(Tone::Strong, "Open operations");
    for one in &overview.open {
        let held = one.hold_cause() != HoldCause::Unspecified;
        let tone = if held { Tone::Bad } else { Tone::Plain };
        page.spans(&[
            (Tone::Plain, &format!("  {}  {}  ", one.operation, one.cluster)),
            (tone, &going(one)),
            (Tone::Quiet, &format!("  {}", one.step_title)),
        ]);
        super::operation::damage(page, "    ", one);
        if held {
            page.line(Tone::Plain, &format!("    do: bellows op show {}", one.operation));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{page::Look, render::samples};
    use bellows_proto::v1::{Fault, NodeRef, Site, System};

    fn cluster(name: &str, age_ms: i64) -> ClusterStatus {
        ClusterStatus {
            cluster: name.into(),
            system: System::Postgresql.into(),
            members: samples::members(),
            observed_at_ms: 1_700_000_000_000,
            age_ms,
            ..ClusterStatus::default()
        }
    }

    fn shown(overview_: &Overview) -> String {
        let mut page = Page::new(&Look::plain());
        overview(&mut page, overview_);
        page.into_text()
    }

    #[test]
    fn what_needs_somebody_stands_out_and_every_reading_has_an_age() {
        let fault = Fault {
            message: "the agent does not answer".into(),
            host: "h3".into(),
            ..Fault::default()
        };
        let host = |host: &str, state: &str| HostSummary {
            host: host.into(),
            state: state.into(),
            ..HostSummary::default()
        };
        let held = OperationSummary {
            operation: "0190".into(),
            cluster: "billing".into(),
            kind: "shrink".into(),
            state: "held".into(),
            hold_cause: HoldCause::Failed.into(),
            step: 3,
            steps: 9,
            step_title: "stop pg2".into(),
            ..OperationSummary::default()
        };
        let text = shown(&Overview {
            site: Some(Site { name: "prod".into(), ..Site::default() }),
            clusters: vec![
                ClusterStatus {
                    problems: vec!["pg2 does not stream".into()],
                    held_by: "0190".into(),
                    ..cluster("billing", 12_000)
                },
                ClusterStatus { unknown: vec![fault], ..cluster("orders", 2_000) },
                cluster("stock", 400_000),
            ],
            hosts: vec![
                HostSummary {
                    reason: "connection refused".into(),
                    last_seen_at_ms: 1_700_000_000_000,
                    nodes: vec![NodeRef { cluster: "orders".into(), node: "pg3".into() }],
                    ..host("h3", "unreachable")
                },
                host("h1", "connected"),
            ],
            open: vec![held],
            at_ms: 1_700_000_012_000,
        });
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_site_without_anything_says_what_to_do() {
        let site = Some(Site { name: "new".into(), ..Site::default() });
        insta::assert_snapshot!(shown(&Overview { site, ..Overview::default() }), @r"
        site new  no clusters  no hosts

        There are no hosts. Let one in: bellows host token HOST
        There are no clusters. Make one: bellows cluster create --help
        ");
    }

    #[test]
    fn foreign_text_stays_on_its_line() {
        let bad = ClusterStatus { problems: vec!["a\u{1b}[2J\nb".into()], ..cluster("c", 1) };
        let text = shown(&Overview { clusters: vec![bad], ..Overview::default() });
        assert!(text.contains("problem: a\\u{1b}[2J\\nb\n"), "{text}");
    }
}
