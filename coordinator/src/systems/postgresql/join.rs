//! The steps by which new standbys join a primary that runs: the same for create and expand.

use bellows_proto::v1::{
    HbaSettings, NodeRef, PostgresqlServerSettings, PostgresqlService, spec_change,
};

use super::{
    actions, conditions,
    draft::{self, Draft, Placed, Task, back},
};

/// So many base backups run side by side: each one reads the primary's disks.
const CLONES_AT_ONCE: u32 = 2;

/// WAL senders that the clones and then the standbys take: two per clone while it runs, one after.
pub(super) fn senders_needed(new: usize) -> u32 {
    let new = u32::try_from(new).unwrap_or(u32::MAX);
    new.min(CLONES_AT_ONCE).saturating_mul(2).max(new)
}

/// Slots that the new standbys take: one each.
pub(super) fn slots_needed(new: usize) -> u32 {
    u32::try_from(new).unwrap_or(u32::MAX)
}

/// How many of the new nodes each host takes: their demands add up.
pub(super) fn clones_by_host(new: &[Placed]) -> Vec<(&str, u32)> {
    let mut sums: Vec<(&str, u32)> = Vec::new();
    for standby in new {
        match sums.iter_mut().find(|(host, _)| *host == standby.host) {
            Some((_, clones)) => *clones += 1,
            None => sums.push((&standby.host, 1)),
        }
    }
    sums
}

/// How many base backups run at once.
pub(super) fn clones_at_once(new: usize) -> u32 {
    CLONES_AT_ONCE.min(u32::try_from(new).unwrap_or(u32::MAX)).max(1)
}

/// Claims a node's directories, port and services on its host.
pub(super) fn claim(draft: &mut Draft, new: &Placed) {
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

/// Claims a name at the primary's host.
pub(super) fn claim_at_primary(draft: &mut Draft, primary: &Placed, resource: String, what: &str) {
    let keeper = draft.node(&primary.node);
    draft.act(Task {
        title: format!("claim {what} at {}", primary.host),
        reason: "only what is claimed there is ever taken back or dropped",
        host: primary.host.clone(),
        action: actions::claim_resource(keeper.clone(), resource.clone()),
        requires: vec![],
        undo: vec![back(&primary.host, actions::release_resource(keeper, resource))],
    });
}

/// Claims the id and the slot of each new standby at the primary's host.
pub(super) fn claim_ids_and_slots(draft: &mut Draft, primary: &Placed, new: &[Placed]) {
    for standby in new {
        let id = standby.id();
        claim_at_primary(
            draft,
            primary,
            node_id_resource(id),
            &format!("node id {id} for {}", standby.node),
        );
        let slot = standby.slot();
        claim_at_primary(
            draft,
            primary,
            slot_resource(&slot),
            &format!("slot {slot} for {}", standby.node),
        );
    }
}

/// The claim's name of a slot.
pub(super) fn slot_resource(slot: &str) -> String {
    format!("postgresql:slot:{slot}")
}

/// What claims of node ids begin with.
pub(super) const NODE_ID_PREFIX: &str = "postgresql:node-id:";

/// The claim's name of a node id.
pub(super) fn node_id_resource(id: u32) -> String {
    format!("{NODE_ID_PREFIX}{id}")
}

/// Renders configuration and services of a new node.
pub(super) fn configure(
    draft: &mut Draft,
    new: &Placed,
    server: PostgresqlServerSettings,
    hba: HbaSettings,
    clone_rate_kib: u32,
) {
    let node = draft.node(&new.node);
    draft.act(Task {
        title: format!("write the configuration of {} on {}", new.node, new.host),
        reason: "server and repmgr find their settings outside of the data directory, and all members are let in",
        host: new.host.clone(),
        action: actions::write_configuration(node.clone(), server, hba, clone_rate_kib),
        requires: vec![],
        undo: vec![back(&new.host, actions::remove_configuration(node))],
    });
}

/// Starts and enables a service of a node.
pub(super) fn start(
    draft: &mut Draft,
    new: &Placed,
    service: PostgresqlService,
    reason: &'static str,
) {
    let node = draft.node(&new.node);
    draft.act(Task {
        title: format!("start {} of {} on {}", service_name(service), new.node, new.host),
        reason,
        host: new.host.clone(),
        action: actions::start(node.clone(), service),
        requires: vec![],
        undo: vec![back(&new.host, actions::stop(node, service))],
    });
}

/// A service in words.
pub(super) fn service_name(service: PostgresqlService) -> &'static str {
    match service {
        PostgresqlService::Server => "the server",
        PostgresqlService::Repmgrd => "repmgrd",
        PostgresqlService::Unspecified => "no service",
    }
}

/// Proves the logins, clones all side by side, then lets the new standbys in one by one.
pub(super) fn join(draft: &mut Draft, primary: &Placed, new: &[Placed]) {
    log_in(draft, primary, new);
    copy(draft, primary, new);
}

/// Proves the logins from the new hosts to the primary.
pub(super) fn log_in(draft: &mut Draft, primary: &Placed, new: &[Placed]) {
    for standby in new {
        draft.wait(
            format!("log in from {} to {}", standby.host, primary.node),
            "the login file on the new host and the primary's rules let the clone in",
            vec![conditions::login_works(&standby.host, &primary.place)],
            draft::SHORT,
        );
    }
}

/// Clones all side by side, then lets the new standbys in one by one.
pub(super) fn copy(draft: &mut Draft, primary: &Placed, new: &[Placed]) {
    clone_all(draft, primary, new);
    for standby in new {
        admit(draft, primary, standby);
    }
}

/// Clones all side by side.
pub(super) fn clone_all(draft: &mut Draft, primary: &Placed, new: &[Placed]) {
    let mut checks = vec![
        conditions::primary_is(&primary.node),
        conditions::sender_headroom(&primary.node, senders_needed(new.len())),
        conditions::slot_headroom(&primary.node, slots_needed(new.len())),
    ];
    checks.extend(
        clones_by_host(new)
            .into_iter()
            .map(|(host, clones)| conditions::disk_for_clones(host, clones)),
    );
    let tasks = new.iter().map(|standby| clone(draft, primary, standby)).collect();
    draft.group(
        format!("clone {} from {}", listed(new), primary.node),
        "each new standby begins as a base backup of the primary",
        tasks,
        clones_at_once(new.len()),
        checks,
    );
}

fn clone(draft: &Draft, primary: &Placed, standby: &Placed) -> Task {
    let node = draft.node(&standby.node);
    let at = draft.node(&primary.node);
    Task {
        title: format!("clone {} on {}", standby.node, standby.host),
        reason: "a base backup of the primary, with a slot that keeps the WAL it will need",
        host: standby.host.clone(),
        action: actions::clone_standby(node.clone(), &primary.place),
        requires: vec![
            conditions::primary_is(&primary.node),
            conditions::login_works(&standby.host, &primary.place),
        ],
        undo: vec![
            back(&standby.host, actions::discard_data(node.clone())),
            back(&primary.host, actions::drop_slot(at, node, standby.slot())),
        ],
    }
}

/// Membership goes one by one.
fn admit(draft: &mut Draft, primary: &Placed, standby: &Placed) {
    start(
        draft,
        standby,
        PostgresqlService::Server,
        "the copy becomes a standby that follows the primary",
    );
    draft.wait(
        format!("wait until {} streams from {}", standby.node, primary.node),
        "repmgr registers a standby that does not stream without a word",
        vec![conditions::streaming(&standby.node)],
        draft::STREAMING,
    );
    register(draft, primary, standby);
    start(
        draft,
        standby,
        PostgresqlService::Repmgrd,
        "from now on the member takes part in failover",
    );
    prove(draft, standby);
}

fn register(draft: &mut Draft, primary: &Placed, standby: &Placed) {
    let (node, at): (NodeRef, NodeRef) = (draft.node(&standby.node), draft.node(&primary.node));
    draft.act(Task {
        title: format!("register {} with repmgr on {}", standby.node, standby.host),
        reason: "repmgrd only knows registered members",
        host: standby.host.clone(),
        action: actions::register_standby(node.clone(), &primary.place),
        requires: vec![conditions::streaming(&standby.node)],
        undo: vec![back(&primary.host, actions::unregister_standby(at, node, standby.id()))],
    });
}

/// Membership counts once every member says so; only then the node enters the spec.
pub(super) fn prove(draft: &mut Draft, new: &Placed) {
    draft.wait(
        format!("wait until every member knows {}", new.node),
        "a member is one when all the others say so and its services run",
        vec![
            conditions::registered_everywhere(&new.node, new.id()),
            conditions::service_runs(&new.node, PostgresqlService::Server),
            conditions::service_runs(&new.node, PostgresqlService::Repmgrd),
        ],
        draft::SHORT,
    );
    draft.changing(spec_change::Kind::AddNode(new.spec_node()));
}

/// The end: the whole cluster is as it should be. `gone`: those who left.
pub(super) fn conclude(draft: &mut Draft, nodes: Vec<String>, gone: &[Placed]) {
    await_health(draft, nodes, gone);
    // What follows is the comparison with the prediction, which holds by itself where the members are
    // not the wanted ones.
    draft.skippable();
}

/// The same as a step that a change of the spec may hang on.
pub(super) fn await_health(draft: &mut Draft, nodes: Vec<String>, gone: &[Placed]) {
    let mut end = vec![conditions::healthy(), conditions::members_are(nodes)];
    end.extend(gone.iter().map(|node| conditions::has_tombstone(&node.node, &node.host)));
    draft.wait(
        "wait until the whole cluster is healthy".to_owned(),
        "one primary, every standby streams, repmgrd runs, all name the same members",
        end,
        draft::SHORT,
    );
}

/// Nodes with their hosts, in words.
pub(super) fn listed(nodes: &[Placed]) -> String {
    let names: Vec<String> =
        nodes.iter().map(|node| format!("{} on {}", node.node, node.host)).collect();
    names.join(", ")
}
