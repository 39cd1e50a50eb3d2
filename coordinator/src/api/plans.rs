//! Planning and applying. A refusal is an answer; a mistake in the request is an error.

use bellows_proto::{
    names::{ClusterName, HostName, NodeName},
    remarks,
    v1::{
        ApplyPlanRequest, ApplyReply, Intent, OnFailure, Outcome, Plan, PlanChanged,
        PlanIntentRequest, PlanReply, Refusals, apply_reply, intent::Verb, plan_reply,
    },
};
use tonic::Status;

use super::{Api, access::Principal, audited::Said, fault};
use crate::engine::{ApplyError, PlanError, World, ports};

impl<W: World> Api<W> {
    pub(super) async fn plan(&self, request: PlanIntentRequest) -> Result<PlanReply, Status> {
        let planned = match (request.intent, request.again.as_str()) {
            (Some(intent), "") => {
                check_names(&intent)?;
                self.engine.plan(&intent, &request.options).await
            }
            (None, operation) if !operation.is_empty() && request.options.is_empty() => {
                let earlier = self.to_plan_again(operation)?;
                self.engine.plan_again(operation, &earlier).await
            }
            (None, "") => return Err(fault::invalid("there is no intent", "say what is wanted")),
            (Some(_) | None, _) => {
                let remedy = "name an intent, or an operation";
                return Err(fault::invalid("what is planned again has its own intent", remedy));
            }
        };
        let outcome = match planned {
            Ok(plan) => plan_reply::Outcome::Plan(plan),
            Err(PlanError::Refused(refusals)) => {
                plan_reply::Outcome::Refusals(Refusals { refusals })
            }
            Err(PlanError::Invalid(mistakes)) => return Err(mistaken(&mistakes)),
            Err(PlanError::Journal(error)) => return Err(fault::journal(&error)),
        };
        Ok(PlanReply { outcome: Some(outcome) })
    }

    /// The plan of an operation that is over and was not done.
    fn to_plan_again(&self, operation: &str) -> Result<Plan, Status> {
        let detail = self.one_operation(operation)?;
        let summary = detail.summary.unwrap_or_default();
        match summary.outcome() {
            Outcome::Unspecified => {
                let state = format!("{operation} is not over: it is {}", summary.state);
                let remedy = "pause it if it runs; then `bellows op replan` takes back what it did";
                return Err(fault::conflict(state, remedy));
            }
            Outcome::Done => {
                let what = format!("{operation} is done: there is nothing to plan again");
                return Err(fault::invalid(what, "say with a new command what is wanted now"));
            }
            Outcome::Undone | Outcome::Cancelled | Outcome::Abandoned => {}
        }
        detail.plan.ok_or_else(|| {
            let what = format!("the journal has no plan of {operation}");
            fault::conflict(what, "say again what is wanted, with a new command")
        })
    }

    pub(super) async fn apply(
        &self,
        request: ApplyPlanRequest,
        who: &Principal,
    ) -> Result<ApplyReply, Status> {
        let on_failure = match request.on_failure() {
            OnFailure::Unspecified => OnFailure::Hold,
            chosen @ (OnFailure::Hold | OnFailure::Undo) => chosen,
        };
        let plan = request
            .plan
            .ok_or_else(|| fault::invalid("there is no plan", "plan first, then apply"))?;
        if let Some(intent) = &plan.intent {
            check_names(intent)?;
        }
        self.may_change()?;
        self.refuse_fenced(&plan).await?;
        let cluster = plan.cluster.clone();
        let outcome = match self.engine.apply(plan, on_failure, &who.name).await {
            Ok(operation) => {
                tracing::info!(operation, cluster, principal = who.name, "operation accepted");
                apply_reply::Outcome::Operation(operation)
            }
            Err(ApplyError::Refused(refusals)) => {
                apply_reply::Outcome::Refusals(Refusals { refusals })
            }
            Err(ApplyError::Changed { differences, plan_now }) => {
                apply_reply::Outcome::Changed(PlanChanged {
                    differences,
                    plan_now: Some(*plan_now),
                })
            }
            Err(ApplyError::Invalid(mistakes)) => return Err(mistaken(&mistakes)),
            Err(ApplyError::ReadOnly(reason)) => return Err(fault::read_only(&reason)),
            Err(ApplyError::Begin(error)) => return Err(fault::begin(&error)),
        };
        Ok(ApplyReply { outcome: Some(outcome) })
    }
}

/// The reply in a word, for the audit log.
pub(super) fn said(reply: &ApplyReply) -> Said {
    let (operation, text) = match &reply.outcome {
        Some(apply_reply::Outcome::Operation(id)) => (id.clone(), "accepted".to_owned()),
        Some(apply_reply::Outcome::Refusals(refusals)) => {
            (String::new(), format!("refused by {} guards", refusals.refusals.len()))
        }
        Some(apply_reply::Outcome::Changed(_)) => {
            (String::new(), "refused: the plan has changed".to_owned())
        }
        None => Default::default(),
    };
    Said { operation, text }
}

fn mistaken(mistakes: &[String]) -> Status {
    fault::invalid(mistakes.join("; "), "correct the request; `--help` lists what there is")
}

/// Text becomes names and reasons here, and is never checked again.
fn check_names(intent: &Intent) -> Result<(), Status> {
    let bad = |error| fault::bad_name(&error);
    for one in &intent.accepted {
        remarks::accepted(&one.code, &one.reason)
            .map_err(|text| fault::invalid(text, "name the guard and a reason in one line"))?;
    }
    intent.cluster.parse::<ClusterName>().map_err(bad)?;
    let empty = match &intent.verb {
        Some(Verb::Create(_) | Verb::Expand(_)) => ports::added(intent).is_empty(),
        Some(Verb::Shrink(shrink)) => shrink.nodes.is_empty() && shrink.by == 0,
        Some(Verb::Rejoin(rejoin)) => rejoin.node.is_empty(),
        Some(Verb::Replace(replace)) => replace.node.is_empty() || replace.with.is_none(),
        // The planner may choose; all of them are restarted.
        // What becomes another is in the options: the planner looks at them.
        Some(Verb::Switchover(_) | Verb::Restart(_) | Verb::Reconfigure(_)) => false,
        Some(Verb::Adopt(adopt)) => {
            for from in &adopt.from {
                from.host.parse::<HostName>().map_err(bad)?;
            }
            if adopt.from.is_empty() {
                return Err(fault::invalid("no host is named", "name its hosts: --host HOST"));
            }
            false
        }
        None => true,
    };
    if empty {
        return Err(fault::invalid("the intent names no node", "name at least one node"));
    }
    for node in ports::added(intent) {
        node.node.parse::<NodeName>().map_err(bad)?;
        node.host.parse::<HostName>().map_err(bad)?;
    }
    let named = match &intent.verb {
        Some(Verb::Shrink(shrink)) => shrink.nodes.as_slice(),
        Some(Verb::Replace(replace)) => std::slice::from_ref(&replace.node),
        Some(Verb::Switchover(switchover)) if !switchover.to.is_empty() => {
            std::slice::from_ref(&switchover.to)
        }
        Some(Verb::Rejoin(rejoin)) => std::slice::from_ref(&rejoin.node),
        Some(Verb::Restart(restart)) => restart.nodes.as_slice(),
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Switchover(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => &[],
    };
    for node in named {
        node.parse::<NodeName>().map_err(bad)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::{AcceptedGuard, Expand, NodeAt, Shrink};

    fn refused(verb: Option<Verb>, cluster: &str) -> bool {
        let intent = Intent { cluster: cluster.into(), verb, ..Intent::default() };
        check_names(&intent).is_err()
    }

    #[test]
    fn names_are_checked_at_the_edge() {
        let expand = |node: &str, host: &str| {
            let nodes = vec![NodeAt { node: node.into(), host: host.into() }];
            Some(Verb::Expand(Expand { nodes }))
        };
        assert!(!refused(expand("pg4", "h4"), "orders"));
        assert!(refused(expand("pg4", "h4"), "../orders"));
        assert!(refused(expand("pg 4", "h4"), "orders"));
        assert!(refused(expand("pg4", "h/4"), "orders"));
        assert!(refused(Some(Verb::Shrink(Shrink { nodes: vec!["-x".into()], by: 0 })), "orders"));
        assert!(refused(Some(Verb::Shrink(Shrink::default())), "orders"));
        assert!(!refused(Some(Verb::Shrink(Shrink { nodes: vec![], by: 1 })), "orders"));
        assert!(refused(None, "orders"));
        let silent = Intent {
            cluster: "orders".into(),
            verb: expand("pg4", "h4"),
            accepted: vec![AcceptedGuard { code: "PG-50".into(), reason: " ".into() }],
            ..Intent::default()
        };
        assert!(check_names(&silent).is_err());
    }
}
