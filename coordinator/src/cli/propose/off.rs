//! The word of the administrator that a host is off which a plan names dead: typed, or given with
//! `--confirm-off`. Agreeing to the plan (`--yes`) does not say it.

use bellows_proto::v1::Plan;

use crate::cli::{Context, agree::answer, exit::Failure};

/// The plan with the word for each of its dead hosts; `None`: it was not given.
///
/// # Errors
/// If a host was named that the plan does not name dead, or nobody is there to be asked.
pub(super) fn confirmed(
    context: &Context,
    mut plan: Plan,
    given: &[String],
) -> Result<Option<Plan>, Failure> {
    if let Some(other) = given.iter().find(|host| !plan.dead_hosts.contains(host)) {
        let remedy = match plan.dead_hosts.as_slice() {
            [] => "leave --confirm-off out: the plan names no host dead".to_owned(),
            hosts => format!("the plan names dead: {}", hosts.join(", ")),
        };
        let text = format!(
            "--confirm-off {other}: the plan does not name this host dead; nothing was changed"
        );
        return Err(Failure::usage(text, remedy));
    }
    plan.confirmed_off = given.to_vec();
    for host in plan.dead_hosts.clone() {
        if plan.confirmed_off.contains(&host) {
            continue;
        }
        let nobody = format!(
            "nobody has said that {host} is off, and standard input is no terminal; nothing was changed"
        );
        let remedy = format!("look that it is off, then add --confirm-off {host}");
        context.out.say(&format!(
            "{host} is named dead. If it is not off, its node goes on answering whoever still reaches it, and what \
             is written there is lost. Switch it off (power, or its port at the switch) before you go on."
        ));
        let question = format!("Type the name of the host to say that it is off ({host}): ");
        if answer(context, &question, &nobody, &remedy)? != host {
            return Ok(None);
        }
        plan.confirmed_off.push(host);
    }
    Ok(Some(plan))
}
