//! Goes through the guards for adopt and expand, and collects every one that says no.

use bellows_proto::v1::{Adopt, BookkeeperSetting, BookkeeperSpecOptions, Intent, Refusal, Spec};

use super::{
    super::{
        draft::Placed,
        options, queries,
        settings::{self, Model},
        view::View,
    },
    Findings, Rule,
    adopting::{self, Adopting},
    cluster, newcomers, placing,
};

/// A cluster that may grow.
pub(in super::super) struct Expanding {
    pub(in super::super) options: BookkeeperSpecOptions,
    /// In natural order.
    pub(in super::super) members: Vec<Placed>,
    /// As their hosts propose them, in natural order.
    pub(in super::super) new: Vec<Placed>,
    /// What new ones take over of a member's configuration.
    pub(in super::super) settings: Vec<BookkeeperSetting>,
    /// Whose it is.
    pub(in super::super) model: String,
    /// Keys that are not taken over.
    pub(in super::super) left_out: Vec<String>,
}

/// Whether what was found on these hosts may be taken into care.
pub(in super::super) fn adopt<'a>(
    spec: &'a Spec,
    view: View<'a>,
    wanted: &Adopt,
    options: &BookkeeperSpecOptions,
) -> Result<Adopting, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let good = adopting::judge(&mut findings, wanted);
    let names =
        wanted.from.iter().map(|from| queries::adopted_name(&from.host)).collect::<Vec<_>>();
    placing::known(&mut findings, options.places.iter().map(|place| place.node.as_str()), &names);
    placing::groups_have_somebody(&mut findings, options);
    findings.end(good)
}

/// Whether these nodes may join.
pub(in super::super) fn expand(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
) -> Result<Expanding, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let good = growing(&mut findings, intent);
    findings.end(good)
}

/// The same within a replacement.
pub(in super::super) fn growing(findings: &mut Findings<'_>, intent: &Intent) -> Option<Expanding> {
    let nodes = crate::plan::added(intent);
    let options = options::grown(findings.spec, intent);
    let members = cluster::members(findings);
    if members.is_empty() {
        return None;
    }
    let said = options::places(intent);
    let names: Vec<String> = nodes.iter().map(|node| node.node.clone()).collect();
    placing::known(findings, said.iter().map(|change| change.node.as_str()), &names);
    cluster::sound(findings);
    let new = newcomers::places(findings, nodes);
    let known = members.iter().filter(|member| !findings.dead.contains(&member.node));
    let known = known.map(|member| member.node.clone());
    let all: Vec<String> = known.chain(nodes.iter().map(|node| node.node.clone())).collect();
    cluster::one_version(findings, &all);
    let staying: Vec<&Placed> = members
        .iter()
        .filter(|member| !crate::plan::leaving(intent).contains(&member.node))
        .collect();
    let model = match settings::of_a_member(findings.view, &staying) {
        Ok(model) => model,
        Err(why) => {
            findings.say(Rule::ModelFound, "", "", why);
            return None;
        }
    };
    let Model { node: model, settings, left_out } = model;
    let new = super::super::draft::in_order(new.iter());
    let ids: Vec<String> = new.iter().map(Placed::id).collect();
    placing::told(findings, &options, &ids, &new);
    Some(Expanding { options, members, new, settings, model, left_out })
}
