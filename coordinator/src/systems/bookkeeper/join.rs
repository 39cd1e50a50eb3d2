//! The steps by which new bookies join a cluster that runs: for expand, and for the coming half of a
//! replacement.

use bellows_proto::v1::{BookkeeperBudget, BookkeeperSetting, spec_change};

use super::{
    actions, conditions,
    draft::{self, Back, Draft, Placed, Task, back},
    telling::{self, Stand},
};

/// What the steps of a join need to know.
pub(super) struct Joining<'a> {
    /// In natural order.
    pub(super) members: &'a [Placed],
    /// Of them one that stays: whose host runs the shell.
    pub(super) helper: &'a Placed,
    /// In natural order.
    pub(super) new: &'a [Placed],
    pub(super) settings: &'a [BookkeeperSetting],
    pub(super) budgets: &'a [BookkeeperBudget],
    /// What clients are told of them.
    pub(super) stands: &'a [Stand],
}

/// Claims and configurations: nothing that the cluster notices.
pub(super) fn prepare(draft: &mut Draft, joining: &Joining<'_>) {
    for new in joining.new {
        claim(draft, new);
    }
    for new in joining.new {
        write_config(draft, joining, new);
    }
}

/// Claims a bookie's directories, ports and service on its host.
fn claim(draft: &mut Draft, new: &Placed) {
    let node = draft.node(&new.node);
    draft.act(Task {
        title: format!("claim the place of {} on {}", new.node, new.host),
        reason: "what is made later is known to be ours, and what was there before",
        host: new.host.clone(),
        action: actions::claim_node(node.clone(), new.place.clone()),
        requires: vec![
            conditions::vacant(&new.host, &new.node),
            conditions::cookie_clean(&new.node),
        ],
        undo: vec![back(&new.host, actions::release_node(node))],
    });
}

fn write_config(draft: &mut Draft, joining: &Joining<'_>, new: &Placed) {
    let node = draft.node(&new.node);
    draft.act(Task {
        title: format!("write the configuration of {} on {}", new.node, new.host),
        reason: "as a member that is there has it, with this host's own address, ports and directories",
        host: new.host.clone(),
        action: actions::write_config(node.clone(), joining.settings.to_vec()),
        requires: vec![],
        undo: vec![back(&new.host, actions::remove_config(node))],
    });
}

/// Lets the new ones in, one after the other: each is writable for all before the next.
pub(super) fn admit_all(draft: &mut Draft, joining: &Joining<'_>) {
    for new in joining.new {
        let node = draft.node(&new.node);
        // Before it takes ledgers.
        telling::of_one(draft, joining.helper, joining.stands, &new.node);
        let undo = leaves_again(draft, joining, new);
        draft.act(Task {
            title: format!("start {} on {}", new.node, new.host),
            reason: "it registers itself with a new cookie and takes new ledgers from then on",
            host: new.host.clone(),
            action: actions::start_bookie(node),
            requires: vec![],
            undo,
        });
        draft.wait(
            format!("wait until all see {} writable", new.node),
            "a start that went well is no proof: a bookie is a member when those who were there say so",
            vec![conditions::writable(&new.node), conditions::runs(&new.node, true)],
            draft::SHORT,
        );
        draft.changing(spec_change::Kind::AddNode(new.spec_node()));
    }
}

/// What takes a start back. Writers may have put ledgers there by then: they are moved away before it stops, and what is
/// in its directories goes only when no ledger needs it.
fn leaves_again(draft: &Draft, joining: &Joining<'_>, new: &Placed) -> Vec<Back> {
    let node = draft.node(&new.node);
    let at = draft.node(&joining.helper.node);
    let (id, host, helper) = (new.id(), new.host.as_str(), joining.helper.host.as_str());
    let empty = || conditions::emptied(&new.node, &[]);
    let after = |host: &str, action, requires| Back { host: host.to_owned(), action, requires };
    vec![
        back(host, actions::set_read_only(node.clone(), true)),
        back(host, actions::drain_alive(node.clone(), &id, joining.budgets)),
        after(host, actions::stop_bookie(node.clone()), vec![empty()]),
        after(
            helper,
            actions::save_cookie(at.clone(), node.clone(), &id),
            vec![conditions::gone(&new.node)],
        ),
        after(
            helper,
            actions::delete_cookie(at, node.clone(), &id),
            vec![empty(), conditions::cookie_saved(&new.node, &joining.helper.node)],
        ),
        after(
            host,
            actions::discard_data(node),
            vec![empty(), conditions::has_cookie(&new.node, false)],
        ),
    ]
}

/// The end: the whole cluster is as it should be. `gone`: those who left.
pub(super) fn conclude(draft: &mut Draft, nodes: Vec<String>, gone: &[Placed]) {
    let mut end = vec![conditions::healthy(&[]), conditions::members_are(nodes, vec![])];
    end.extend(gone.iter().map(|node| conditions::has_tombstone(&node.node, &node.host)));
    draft.wait(
        "wait until the whole cluster is healthy".to_owned(),
        "every bookie runs and is writable for all who are asked, and none is missing",
        end,
        draft::SHORT,
    );
    // What follows is the comparison with the prediction, which holds by itself where the members are
    // not the wanted ones.
    draft.skippable();
}
