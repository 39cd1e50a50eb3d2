//! Goes through the guards for each verb, and collects every one that says no.

use bellows_proto::v1::{
    Adopt, Intent, PostgresqlSpecOptions, Refusal, Rejoin, Replace, Restart, Spec, intent::Verb,
};

use super::{
    super::{
        draft::Placed,
        options,
        view::{Primary, View},
    },
    Findings, Rule, adopted,
    adopting::{self, Adopting},
    cluster, dead, fronts, leaving,
    moving::{self, Moving},
    newcomers,
    restarting::{self, Restarting},
    returning::{self, Returning},
};

/// A cluster that may grow.
pub(in super::super) struct Expanding<'a> {
    pub(in super::super) members: Vec<Placed>,
    pub(in super::super) primary: Placed,
    pub(in super::super) seen: Primary<'a>,
    /// As their hosts propose them: without ids.
    pub(in super::super) new: Vec<Placed>,
}

/// A cluster that may lose these standbys.
pub(in super::super) struct Shrinking {
    pub(in super::super) leaving: Vec<Placed>,
    pub(in super::super) staying: Vec<Placed>,
    pub(in super::super) primary: Placed,
    /// Slots of the leaving nodes by node, where repmgr's record names another than its rule would.
    pub(in super::super) slots: Vec<(String, String)>,
    /// Slots of leaving nodes that are not claimed at the primary's host.
    pub(in super::super) unclaimed_slots: Vec<String>,
    /// The primary is among those who leave: its role moves first.
    pub(in super::super) moving: Option<Moving>,
}

impl Shrinking {
    /// The slot of a leaving node.
    pub(in super::super) fn slot_of(&self, node: &Placed) -> String {
        let named = self.slots.iter().find(|(name, _)| *name == node.node);
        named.map_or_else(|| node.slot(), |(_, slot)| slot.clone())
    }
}

/// A cluster of which one node may be replaced.
pub(in super::super) struct Replacing<'a> {
    pub(in super::super) shrinking: Shrinking,
    pub(in super::super) seen: Primary<'a>,
    /// As its host proposes it: without an id.
    pub(in super::super) new: Vec<Placed>,
}

/// Whether a cluster may be made of these nodes; their places as the hosts propose them.
pub(in super::super) fn create(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
    options: &PostgresqlSpecOptions,
) -> Result<Vec<Placed>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let nodes = crate::plan::added(intent);
    if spec.version != 0 {
        findings.say(
            Rule::ClusterKnown,
            "",
            "",
            format!("the cluster {} exists already", spec.cluster),
        );
    }
    cluster::enough(&mut findings, nodes.len(), options.min_members);
    let places = newcomers::places(&mut findings, nodes, &[]);
    newcomers::fresh_disk(&mut findings, nodes);
    findings.end(Some(places))
}

/// Whether what was found on these hosts may be taken into care.
pub(in super::super) fn adopt<'a>(
    spec: &'a Spec,
    view: View<'a>,
    wanted: &Adopt,
) -> Result<Adopting<'a>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let good = adopting::judge(&mut findings, wanted);
    findings.end(good)
}

/// Whether these nodes may join.
pub(in super::super) fn expand<'a>(
    spec: &'a Spec,
    view: View<'a>,
    intent: &Intent,
) -> Result<Expanding<'a>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let nodes = crate::plan::added(intent);
    let members = cluster::members(&mut findings);
    fronts::judge(&mut findings, &members);
    let seen = cluster::sound(&mut findings);
    let new = newcomers::places(&mut findings, nodes, &members);
    if let Some(seen) = seen {
        newcomers::headroom(&mut findings, seen, &new);
        newcomers::names_at_primary(&mut findings, seen, nodes);
    }
    let primary = seen
        .and_then(|seen| members.iter().find(|member| member.node == seen.member.node).cloned());
    let good = seen.zip(primary).map(|(seen, primary)| Expanding { members, primary, seen, new });
    findings.end(good)
}

/// Whether these standbys may leave.
pub(in super::super) fn shrink(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
) -> Result<Shrinking, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    fronts::judge(&mut findings, &members);
    let seen = cluster::sound(&mut findings);
    let names = leaving::named(&mut findings, crate::plan::leaving(intent));
    let good = leaving::judge(&mut findings, &names, &members, seen, &[]);
    adopted::data_stay(&mut findings, good.as_ref(), options::wipe_data(intent));
    findings.end(good)
}

/// Whether this node may be replaced by that one.
pub(in super::super) fn replace<'a>(
    spec: &'a Spec,
    view: View<'a>,
    intent: &Intent,
    wanted: &Replace,
) -> Result<Replacing<'a>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let leaving = std::slice::from_ref(&wanted.node);
    if wanted.dead {
        findings.dead = leaving.to_vec();
    }
    let nodes = crate::plan::added(intent);
    let names = leaving::named(&mut findings, leaving);
    let members = cluster::members(&mut findings);
    fronts::judge(&mut findings, &members);
    let seen = cluster::sound(&mut findings);
    let new = newcomers::places(&mut findings, nodes, &members);
    if let Some(seen) = seen {
        newcomers::headroom(&mut findings, seen, &new);
        newcomers::names_at_primary(&mut findings, seen, nodes);
        dead::judge(&mut findings, seen, &members);
    }
    let coming: Vec<&str> = nodes.iter().map(|node| node.node.as_str()).collect();
    let shrinking = leaving::judge(&mut findings, &names, &members, seen, &coming);
    adopted::data_stay(&mut findings, shrinking.as_ref(), options::wipe_data(intent));
    let good = seen.zip(shrinking);
    findings.end(good.map(|(seen, shrinking)| Replacing { shrinking, seen, new }))
}

/// Whether the primary's role may move.
pub(in super::super) fn switchover(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
) -> Result<Moving, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    fronts::judge(&mut findings, &members);
    let seen = cluster::sound(&mut findings);
    let to = match &intent.verb {
        Some(Verb::Switchover(switchover)) => switchover.to.as_str(),
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Shrink(_)
            | Verb::Replace(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => "",
    };
    let good =
        seen.and_then(|seen| moving::judge(&mut findings, &members, seen, to, &members, &[]));
    findings.end(good)
}

/// Whether these servers may be restarted.
pub(in super::super) fn restart(
    spec: &Spec,
    view: View<'_>,
    wanted: &Restart,
) -> Result<Restarting, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    fronts::judge(&mut findings, &members);
    let seen = cluster::sound(&mut findings);
    let names = restarting::names(&mut findings, &members, wanted);
    let good =
        seen.and_then(|seen| restarting::judge(&mut findings, &members, seen, &names, wanted));
    findings.end(good)
}

/// Whether a cluster may have these options from now on. Its members, and its primary.
pub(in super::super) fn reconfigure(
    spec: &Spec,
    view: View<'_>,
    options: &PostgresqlSpecOptions,
) -> Result<(Vec<Placed>, Placed), Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    let seen = cluster::sound(&mut findings);
    if !members.is_empty() && *options == options::of_spec(spec) {
        let value = format!("nothing would change: {} has these options already", spec.cluster);
        findings.say(Rule::ValidIntent, "", "", value);
    }
    cluster::enough(&mut findings, members.len(), options.min_members);
    let primary = seen
        .and_then(|seen| members.iter().find(|member| member.node == seen.member.node).cloned());
    findings.end(primary.map(|primary| (members, primary)))
}

/// Whether this member may come back.
pub(in super::super) fn rejoin<'a>(
    spec: &'a Spec,
    view: View<'a>,
    wanted: &Rejoin,
) -> Result<Returning<'a>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    findings.returning = Some(wanted.node.clone());
    let members = cluster::members(&mut findings);
    fronts::judge(&mut findings, &members);
    let Some(node) = returning::named(&mut findings, &members, wanted) else {
        return findings.end(None);
    };
    let seen = cluster::sound(&mut findings);
    let good = seen.and_then(|seen| {
        returning::judge(&mut findings, &members, seen, node, wanted.discard_data)
    });
    findings.end(good)
}
