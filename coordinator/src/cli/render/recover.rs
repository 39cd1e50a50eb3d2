//! What `bellows recover` found at the agents.

use serde_json::{Value, json};

use crate::{
    cli::page::{Page, Table, Tone},
    serve::recover::Found,
};

/// Hosts, clusters, open operations with their jobs, and what should be read before agreeing.
pub fn found(page: &mut Page, found: &Found) {
    let mut hosts = Table::new(&["HOST", "ADDRESS", "AGENT", "TERM"]);
    for host in &found.hosts {
        let term = host.term.to_string();
        hosts.row(Tone::Plain, &[&host.host, &host.address, &host.version, &term]);
    }
    page.table(0, &hosts);
    page.gap();
    let mut clusters = Table::new(&["CLUSTER", "SPEC", "NODES", "AS KEPT BY"]);
    for cluster in &found.clusters {
        let (version, nodes) = (cluster.version.to_string(), cluster.nodes.to_string());
        let by = cluster.hosts.join(", ");
        clusters.row(Tone::Plain, &[&cluster.cluster, &version, &nodes, &by]);
    }
    if found.clusters.is_empty() {
        page.line(Tone::Plain, "No host keeps the spec of a cluster.");
    } else {
        page.table(0, &clusters);
    }
    page.gap();
    if found.operations.is_empty() {
        page.line(Tone::Plain, "No operation is open.");
    }
    for one in &found.operations {
        let by = one.hosts.join(", ");
        let text = format!(
            "Operation {}: {} {}, jobs known up to step {} of {}; kept by {by}",
            one.operation, one.kind, one.cluster, one.step, one.steps
        );
        page.line(Tone::Strong, &text);
        for job in &one.jobs {
            page.line(Tone::Plain, &format!("  {job}"));
        }
    }
    for note in &found.notes {
        page.line(Tone::Warn, &format!("note: {note}"));
    }
}

/// The store is there.
pub fn made(page: &mut Page, store_id: &str) {
    page.gap();
    page.line(Tone::Strong, "The store is made anew from what the agents keep");
    page.line(Tone::Plain, &format!("  this store is    {store_id}"));
}

/// All of it, for programs.
pub fn json(found: &Found, store_id: &str) -> Value {
    let hosts = found.hosts.iter().map(|host| {
        json!({
            "host": host.host,
            "address": host.address,
            "agentVersion": host.version,
            "term": host.term,
        })
    });
    let clusters = found.clusters.iter().map(|cluster| {
        json!({
            "cluster": cluster.cluster,
            "specVersion": cluster.version,
            "nodes": cluster.nodes,
            "hosts": cluster.hosts,
        })
    });
    let operations = found.operations.iter().map(|one| {
        json!({
            "operation": one.operation,
            "cluster": one.cluster,
            "kind": one.kind,
            "step": one.step,
            "steps": one.steps,
            "hosts": one.hosts,
            "jobs": one.jobs,
            "overAt": one.over_at,
        })
    });
    json!({
        "storeId": store_id,
        "hosts": hosts.collect::<Vec<_>>(),
        "clusters": clusters.collect::<Vec<_>>(),
        "operations": operations.collect::<Vec<_>>(),
        "notes": found.notes,
    })
}
