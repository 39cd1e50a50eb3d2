//! Guards on a restart of nodes, and on other options for a cluster.

use bellows_proto::v1::{KwdbFrontEnd, KwdbSecurity, KwdbSpecOptions, Refusal, Restart, Spec};

use super::{
    super::{
        certificates,
        draft::{Placed, in_order},
        options,
        view::View,
    },
    Findings, Rule, cluster, departing, newcomers,
};

/// A cluster of which some nodes may be restarted.
pub(in super::super) struct Restarting {
    /// In natural order.
    pub(in super::super) members: Vec<Placed>,
    /// Those that are restarted, in natural order.
    pub(in super::super) nodes: Vec<Placed>,
}

/// Whether these nodes may be restarted; none named: all.
pub(in super::super) fn restart(
    spec: &Spec,
    view: View<'_>,
    wanted: &Restart,
) -> Result<Restarting, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    if members.is_empty() {
        return findings.end(None);
    }
    if wanted.in_place {
        let value = "--in-place is about a primary: all nodes of KWDB are alike";
        findings.say(Rule::ValidIntent, "", "", value);
    }
    let names = match wanted.nodes.as_slice() {
        [] => members.iter().map(|member| member.node.clone()).collect(),
        named => departing::named(&mut findings, named),
    };
    cluster::sound(&mut findings);
    let nodes = in_order(members.iter().filter(|member| names.contains(&member.node)));
    for node in &nodes {
        departing::can_be_stopped(&mut findings, node);
    }
    findings.end(Some(Restarting { members, nodes }))
}

/// Whether a cluster may have these options from now on. Its members.
pub(in super::super) fn reconfigure(
    spec: &Spec,
    view: View<'_>,
    after: &KwdbSpecOptions,
) -> Result<Vec<Placed>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    if members.is_empty() {
        return findings.end(None);
    }
    let before = options::of_spec(spec);
    if *after == before {
        let value = format!("nothing would change: {} has these options already", spec.cluster);
        findings.say(Rule::ValidIntent, "", "", value);
    }
    for member in &members {
        cluster::host_is_well(&mut findings, &member.node, &member.host);
    }
    if after.min_members != before.min_members {
        departing::enough(&mut findings, members.len(), after);
    }
    if after.front_end() == KwdbFrontEnd::DeploySh {
        newcomers::front_end(&mut findings, after, &members);
    }
    if after.ca_host != before.ca_host && !after.ca_host.is_empty() {
        signer(&mut findings, after);
    }
    findings.end(Some(members))
}

/// Who is named to sign can.
fn signer(findings: &mut Findings<'_>, after: &KwdbSpecOptions) {
    if after.security() != KwdbSecurity::Tls {
        let value = "ca_host: the cluster is insecure, nobody signs anything";
        return findings.say(Rule::ValidIntent, "", &after.ca_host, value);
    }
    if let Err(why) = certificates::signer(findings.view, after, &[]) {
        findings.say(Rule::CanSign, "", &after.ca_host, why);
    }
}
