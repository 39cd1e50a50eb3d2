//! The steps by which new nodes join a cluster that runs: for expand, and for the coming half of a
//! replacement.

use bellows_proto::v1::{
    KwdbRebalance, KwdbSecurity, KwdbSpecOptions, KwdbStart, KwdbStartMode, spec_change,
};

use super::{
    actions, conditions,
    draft::{self, Back, Draft, Placed, Task, back, listed},
    guards::Certifying,
};

/// Fewer members do not hold three replicas of everything.
const FEWEST: usize = 3;
/// So many members are named to a new node; one that answers is enough.
const JOINED_AT: usize = 5;

/// What the steps of a join need to know.
pub(super) struct Joining<'a> {
    pub(super) options: &'a KwdbSpecOptions,
    /// In natural order.
    pub(super) members: &'a [Placed],
    pub(super) new: &'a [Placed],
    pub(super) certifying: Option<&'a Certifying>,
    /// A dead member is to leave afterwards. Until it is decommissioned its ranges stay under-replicated:
    /// nobody waits for them before.
    pub(super) amid_loss: bool,
}

impl Joining<'_> {
    /// New nodes take their part of the data that are there.
    pub(super) fn moves_data(&self) -> bool {
        self.options.start_mode() == KwdbStartMode::MultiReplica
    }

    /// A new node can be taken out again: it moves data, and the others are enough for all replicas.
    pub(super) fn can_leave_again(&self) -> bool {
        self.moves_data() && !(self.amid_loss && self.members.len() < FEWEST)
    }

    /// Who is asked to act for the cluster: the first member.
    pub(super) fn helper(&self) -> Option<&Placed> {
        self.members.first()
    }

    fn joins(&self) -> Vec<String> {
        self.members.iter().take(JOINED_AT).map(Placed::endpoint).collect()
    }
}

/// Claims, certificates, and with what the nodes are started: nothing that the cluster notices.
pub(super) fn prepare(draft: &mut Draft, joining: &Joining<'_>) {
    for node in joining.new {
        claim(draft, node);
    }
    certify(draft, joining);
    for node in joining.new {
        write_start(draft, joining, node);
    }
}

/// Claims a node's directories, ports and unit on its host.
fn claim(draft: &mut Draft, new: &Placed) {
    let node = draft.node(&new.node);
    draft.act(Task {
        title: format!("claim the place of {} on {}", new.node, new.host),
        reason: "what is made later is known to be ours, and what was there before",
        host: new.host.clone(),
        action: actions::claim_node(node.clone(), new.place.clone()),
        requires: vec![conditions::vacant(&new.host, &new.node)],
        undo: vec![back(&new.host, actions::release_node(node))],
    });
}

/// Keys are made where they are used; only requests and certificates travel.
fn certify(draft: &mut Draft, joining: &Joining<'_>) {
    let Some(certifying) = joining.certifying else { return };
    let Some((signer, signer_host)) = &certifying.signer else { return };
    for new in &certifying.nodes {
        let (node, at) = (draft.node(&new.node), draft.node(signer));
        draft.act(Task {
            title: format!("make keys and requests for {} on {}", new.node, new.host),
            reason: "keys are made where they are used, and never travel",
            host: new.host.clone(),
            action: actions::request_certificates(node.clone()),
            requires: vec![],
            // With the keys goes what was made for them.
            undo: vec![back(&new.host, actions::remove_certificates(node.clone()))],
        });
        draft.act(Task {
            title: format!("sign the certificates of {} on {signer_host}", new.node),
            reason: "the members trust certificates of their own authority only",
            host: signer_host.clone(),
            action: actions::sign_certificates(at.clone(), node.clone(), &new.place.address),
            requires: vec![conditions::can_sign(signer), conditions::requested(&new.node)],
            undo: vec![back(signer_host, actions::forget_signed(at, node.clone()))],
        });
        draft.act(Task {
            title: format!("put the certificates of {} in place on {}", new.node, new.host),
            reason: "a node of a secure cluster shows who it is",
            host: new.host.clone(),
            action: actions::place_certificates(node),
            requires: vec![],
            // They go with their keys: a second attempt writes them again.
            undo: vec![],
        });
    }
}

fn write_start(draft: &mut Draft, joining: &Joining<'_>, new: &Placed) {
    let node = draft.node(&new.node);
    let start = KwdbStart {
        mode: joining.options.start_mode,
        security: joining.options.security,
        join: joining.joins(),
    };
    draft.act(Task {
        title: format!("write with what {} is started on {}", new.node, new.host),
        reason: "the unit that the package brought starts it, in the cluster's start mode, with the members to join",
        host: new.host.clone(),
        action: actions::write_start(node.clone(), start),
        requires: vec![],
        undo: vec![back(&new.host, actions::remove_start(node))],
    });
}

/// Lets the new nodes in, one after the other: each is a member, and every range whole, before the next.
pub(super) fn admit_all(draft: &mut Draft, joining: &Joining<'_>) {
    for new in joining.new {
        start(draft, joining, new);
        draft.wait(
            format!("wait until the members see {}", new.node),
            "a start that went well is no proof: a node is a member when those who were there say so",
            vec![conditions::joined(&new.node), conditions::runs(&new.node, true)],
            draft::SHORT,
        );
        draft.changing(spec_change::Kind::AddNode(new.spec_node()));
        if joining.moves_data() && !joining.amid_loss {
            draft.wait(
                format!("wait until every range is whole with {}", new.node),
                "the next change waits until the cluster has taken this one in",
                vec![conditions::replicated()],
                draft::ranges(joining.options.poll_s),
            );
        }
    }
}

fn start(draft: &mut Draft, joining: &Joining<'_>, new: &Placed) {
    let node = draft.node(&new.node);
    let mut requires = vec![];
    if joining.options.security() == KwdbSecurity::Tls {
        requires.push(conditions::certified(&new.node));
    }
    let undo = leaves_again(draft, joining, new);
    let action = actions::start_node(node);
    draft.act(Task {
        title: format!("start {} on {}", new.node, new.host),
        reason: "it joins by itself and asks the cluster for its id",
        host: new.host.clone(),
        action,
        requires,
        undo,
    });
    if !joining.can_leave_again() {
        draft.no_return();
    }
}

/// What takes a start back. A node that has not joined yet has no id to flag: it may come just when nobody looks.
/// So what came unflagged is stopped, and flagged then; its data are there until no range needs them.
fn leaves_again(draft: &Draft, joining: &Joining<'_>, new: &Placed) -> Vec<Back> {
    let node = draft.node(&new.node);
    let stop = actions::stop_node(node.clone(), joining.can_leave_again());
    let discard = actions::discard_data(node.clone());
    let helper = joining.helper().filter(|_| joining.can_leave_again());
    let Some(helper) = helper else {
        return vec![back(&new.host, stop), back(&new.host, discard)];
    };
    let at = draft.node(&helper.node);
    // Resolved when it begins: before the start there is no id.
    let flag = || back(&helper.host, actions::decommission(at.clone(), node.clone(), 0));
    let drained = || conditions::drained(&new.node, 0);
    vec![
        flag(),
        Back { host: new.host.clone(), action: stop, requires: vec![drained()] },
        flag(),
        Back {
            host: new.host.clone(),
            action: discard,
            requires: vec![conditions::flagged(&new.node, true, 0), drained()],
        },
    ]
}

/// Sets whether data of time series move, where that was asked for and is not so already. What it was
/// before; `None`: nothing is changed.
pub(super) fn set_rebalance(
    draft: &mut Draft,
    at: &Placed,
    asked: KwdbRebalance,
    is: bool,
) -> Option<bool> {
    let wanted = match asked {
        KwdbRebalance::On => true,
        KwdbRebalance::Off => false,
        KwdbRebalance::Keep | KwdbRebalance::Unspecified => return None,
    };
    if wanted == is {
        return None;
    }
    let title = match wanted {
        true => "let data of time series move to new nodes".to_owned(),
        false => "keep data of time series where they are".to_owned(),
    };
    set(draft, at, title, "the administrator asks for it; it is restored in the end", wanted, is);
    Some(is)
}

/// Puts the setting back.
pub(super) fn restore_rebalance(draft: &mut Draft, at: &Placed, before: bool) {
    let title = "put the setting for rebalancing back".to_owned();
    set(draft, at, title, "what was changed for a while is as it was before", before, !before);
}

fn set(
    draft: &mut Draft,
    at: &Placed,
    title: String,
    reason: &'static str,
    wanted: bool,
    before: bool,
) {
    let node = draft.node(&at.node);
    draft.act(Task {
        title,
        reason,
        host: at.host.clone(),
        action: actions::set_rebalance(node.clone(), wanted),
        requires: vec![conditions::rebalance_is(before)],
        undo: vec![back(&at.host, actions::set_rebalance(node, before))],
    });
}

/// Waits until the new nodes have their share. It protects nothing: it may be passed over.
pub(super) fn balance(draft: &mut Draft, joining: &Joining<'_>) {
    draft.wait(
        format!("wait until the data are spread over {}", listed(joining.new)),
        "the new nodes take their share of the ranges; the cluster moves them by itself",
        vec![conditions::balanced(draft::names(joining.new.iter()))],
        draft::ranges(joining.options.poll_s),
    );
    draft.skippable();
}

/// The end: the whole cluster is as it should be. `gone`: those who left.
pub(super) fn conclude(draft: &mut Draft, nodes: Vec<String>, gone: &[Placed]) {
    let mut end = vec![conditions::healthy(&[]), conditions::members_are(nodes, vec![])];
    end.extend(gone.iter().map(|node| conditions::has_tombstone(&node.node, &node.host)));
    draft.wait(
        "wait until the whole cluster is healthy".to_owned(),
        "every member is available and live for all others, takes SQL, and every range is whole",
        end,
        draft::SHORT,
    );
    // What follows is the comparison with the prediction, which holds by itself where the members are
    // not the wanted ones.
    draft.skippable();
}
