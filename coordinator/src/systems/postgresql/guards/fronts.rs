//! What stands in front of the cluster: it answers, and lists the members.

use super::{
    super::{
        check,
        draft::Placed,
        fronts::bare,
        view::{self, View},
    },
    Findings, Rule,
};
use bellows_proto::v1::GuardSeen;

/// Each front of the cluster. States of members in it are no matter: they are mended on the way.
pub(super) fn judge(findings: &mut Findings<'_>, members: &[Placed]) {
    let wanted: Vec<_> = members.iter().map(bare).collect();
    for front in findings.view.fronts {
        match findings.view.host(&front.host) {
            Ok(facts) if facts.mode == "manage" => {}
            Ok(facts) => {
                let value = format!("the agent's mode is {:?}", facts.mode);
                findings.say(Rule::AllowedOnHost, "", &front.host, value);
            }
            Err(why) => findings.say(Rule::HostsAnswer, "", &front.host, why),
        }
        match view::front(front) {
            Err(why) => findings.say(Rule::FrontsAnswer, "", &front.host, why),
            Ok(seen) => {
                if let Some(text) = check::front_difference(seen, &wanted) {
                    let value = format!("{}: {text}", front.front);
                    findings.say(Rule::FrontsServe, "", &front.host, value);
                }
            }
        }
    }
}

/// What was seen of them.
pub(in super::super) fn seen(view: View<'_>) -> Vec<GuardSeen> {
    let names: Vec<String> =
        view.fronts.iter().map(|front| format!("{} on {}", front.front, front.host)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let names = names.join(", ");
    vec![
        Rule::FrontsAnswer.seen(format!("{names} answered")),
        Rule::FrontsServe.seen(format!("{names}: the members, and nobody else")),
    ]
}
