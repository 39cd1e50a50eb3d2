//! Clusters, their members and their health.

use bellows_proto::v1::{
    ClusterDetail, ClusterStatus, ClusterSummary, ConnectionString, DeleteClusterReply, MemberView,
};

use super::fault;
use crate::cli::{
    page::{Page, Table, Tone},
    text::{date_time, duration},
    words,
};

/// A table of members.
pub fn members(page: &mut Page, indent: usize, views: &[MemberView]) {
    let mut table = Table::new(&["NODE", "HOST", "ROLE", "STATE", "DETAIL"]);
    for view in views {
        let tone = if view.healthy { Tone::Plain } else { Tone::Bad };
        table.row(tone, &[&view.node, &view.host, &view.role, &view.state, &view.detail]);
    }
    page.table(indent, &table);
}

/// A table of clusters.
pub fn list(page: &mut Page, clusters: &[ClusterSummary]) {
    if clusters.is_empty() {
        page.line(Tone::Plain, "There are no clusters. Make one: bellows cluster create --help");
        return;
    }
    let mut table = Table::new(&["CLUSTER", "SYSTEM", "NODES", "SPEC", "HELD BY"]);
    for cluster in clusters {
        table.row(
            Tone::Plain,
            &[
                &cluster.cluster,
                &words::system(cluster.system()),
                &cluster.nodes.to_string(),
                &cluster.spec_version.to_string(),
                &cluster.held_by,
            ],
        );
    }
    page.table(0, &table);
}

/// What is wanted of a cluster: its spec.
pub fn detail(page: &mut Page, detail: &ClusterDetail) {
    let Some(spec) = &detail.spec else {
        page.line(Tone::Warn, "The coordinator has no spec of this cluster.");
        return;
    };
    let title = format!(
        "{} ({}), spec version {}",
        spec.cluster,
        words::system(spec.system()),
        spec.version
    );
    page.line(Tone::Strong, &title);
    if let Some(held_by) = detail.summary.as_ref().map(|s| &s.held_by).filter(|id| !id.is_empty()) {
        page.line(Tone::Warn, &format!("held by operation {held_by}"));
    }
    let mut table = Table::new(&["NODE", "HOST", "STATE"]);
    for node in &spec.nodes {
        table.row(Tone::Plain, &[&node.node, &node.host, "member"]);
    }
    for gone in &spec.tombstones {
        let owed = match gone.owed_act {
            0 => "",
            _ => "; named dead: its host gets the tombstone when it comes back",
        };
        let state = format!("removed by operation {}{owed}", gone.operation);
        table.row(Tone::Quiet, &[&gone.node, &gone.host, &state]);
    }
    page.table(2, &table);
    connections(page, &detail.connections);
}

/// How clients reach a cluster.
pub fn connections(page: &mut Page, all: &[ConnectionString]) {
    if all.is_empty() {
        return;
    }
    page.line(Tone::Plain, "  clients connect with:");
    for one in all {
        page.line(Tone::Plain, &format!("    {}: {}", one.what, one.text));
    }
}

/// What is left of a cluster that is forgotten.
pub fn forgotten(page: &mut Page, reply: &DeleteClusterReply) {
    let spec = reply.last.clone().unwrap_or_default();
    page.line(Tone::Plain, &format!("Cluster {} is forgotten.", spec.cluster));
    if spec.nodes.is_empty() {
        return;
    }
    page.line(
        Tone::Warn,
        "Left to themselves, running or not; their hosts still reserve what is theirs:",
    );
    let mut table = Table::new(&["NODE", "HOST"]);
    spec.nodes.iter().for_each(|node| table.row(Tone::Plain, &[&node.node, &node.host]));
    page.table(2, &table);
}

/// How a cluster is, in a word.
pub fn health(status: &ClusterStatus) -> (Tone, String) {
    if !status.problems.is_empty() {
        (Tone::Bad, words::count(status.problems.len(), "problem"))
    } else if !status.unknown.is_empty() {
        (Tone::Warn, "not fully known".to_owned())
    } else {
        (Tone::Good, "healthy".to_owned())
    }
}

/// What was seen of a cluster, and how old that is.
pub fn status(page: &mut Page, status: &ClusterStatus) {
    page.gap();
    let age = u64::try_from(status.age_ms).unwrap_or(0);
    let seen = date_time(status.observed_at_ms, &page.look().zone);
    let (tone, health) = health(status);
    page.spans(&[
        (Tone::Strong, &status.cluster),
        (Tone::Plain, &format!(" ({})  ", words::system(status.system()))),
        (tone, &health),
        (Tone::Quiet, &format!("  seen {} ago ({seen})", duration(age))),
    ]);
    if !status.held_by.is_empty() {
        page.line(Tone::Warn, &format!("  held by operation {}", status.held_by));
    }
    members(page, 2, &status.members);
    for problem in &status.problems {
        page.spans(&[(Tone::Bad, "  problem: "), (Tone::Plain, problem)]);
    }
    for unknown in &status.unknown {
        page.line(Tone::Warn, "  unknown:");
        fault::fault(page, "    ", unknown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{page::Look, render::samples};
    use bellows_proto::v1::{Fault, Spec, SpecNode, SpecTombstone, System};

    #[test]
    fn a_status_has_an_age_and_holes_stay_holes() {
        let mut page = Page::new(&Look::plain());
        status(
            &mut page,
            &ClusterStatus {
                cluster: "orders".into(),
                system: System::Postgresql.into(),
                members: samples::members(),
                problems: vec!["pg2 does not stream".into()],
                unknown: vec![Fault {
                    message: "the agent does not answer".into(),
                    host: "h3".into(),
                    remedy: "look at bellows-agent on h3".into(),
                    ..Fault::default()
                }],
                observed_at_ms: 1_700_000_000_000,
                age_ms: 65_000,
                ..ClusterStatus::default()
            },
        );
        insta::assert_snapshot!(page.into_text(), @r"
        orders (postgresql)  1 problem  seen 1 min 5 s ago (2023-11-14 22:13:20)
          NODE  HOST  ROLE     STATE    DETAIL
          pg1   h1    primary  running  id 1
          pg2   h2    standby  stopped  id 2
          problem: pg2 does not stream
          unknown:
            h3: the agent does not answer
              do: look at bellows-agent on h3
        ");
    }

    #[test]
    fn a_spec_shows_members_and_those_that_left() {
        let mut page = Page::new(&Look::plain());
        let spec = Spec {
            cluster: "orders".into(),
            system: System::Postgresql.into(),
            version: 7,
            nodes: vec![SpecNode { node: "pg1".into(), host: "h1".into(), placement: None }],
            tombstones: vec![SpecTombstone {
                node: "pg2".into(),
                host: "h2".into(),
                operation: "0190".into(),
                placement: None,
                owed_act: 0,
            }],
            ..Spec::default()
        };
        let connections = vec![ConnectionString {
            what: "libpq".into(),
            text: "postgresql://10.0.0.1:5432/DATABASE?target_session_attrs=read-write".into(),
        }];
        detail(&mut page, &ClusterDetail { summary: None, spec: Some(spec), connections });
        insta::assert_snapshot!(page.into_text(), @r"
        orders (postgresql), spec version 7
          NODE  HOST  STATE
          pg1   h1    member
          pg2   h2    removed by operation 0190
          clients connect with:
            libpq: postgresql://10.0.0.1:5432/DATABASE?target_session_attrs=read-write
        ");
    }
}
