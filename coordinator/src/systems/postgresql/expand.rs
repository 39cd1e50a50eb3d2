//! Plans new standbys for a cluster that runs.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, Plan, PostgresqlServer, PostgresqlServerSettings,
    PostgresqlSpecOptions, Refusal, Spec,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Placed, Task, back},
    fronts::Fronts,
    guards, ids, join, options, predict, sizes, versions,
    view::{self, Primary, View},
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let guarded = guards::expand(spec, view, intent)?;
    let (members, primary) = (&guarded.members, &guarded.primary);
    let new = ids::numbered(spec, view, guarded.new);
    let all: Vec<Placed> = draft::in_order(members.iter().chain(&new));
    let options = options::of_spec(spec);
    let mut draft = Draft::new(&spec.cluster);
    let mut fronts = Fronts::of(view, members, &primary.node);
    draft.check(
        "check that the cluster is healthy",
        "a cluster that is not healthy is not made busier",
        vec![conditions::healthy(), conditions::primary_is(&primary.node)],
    );
    for node in &new {
        join::claim(&mut draft, node);
        if node.node == new.first().map_or("", |first| &first.node) {
            draft.changing(draft::ids_used(&new));
        }
    }
    join::claim_ids_and_slots(&mut draft, primary, &new);
    let_in(&mut draft, members, &all, &options);
    let settings = settings(guarded.seen, &options);
    for node in &new {
        let hba = draft::hba(all.iter(), &options.client_networks);
        join::configure(
            &mut draft,
            node,
            settings,
            hba,
            options::clone_rate(intent, Some(&options)),
        );
    }
    join::join(&mut draft, primary, &new);
    fronts.take_in(&mut draft, &new, None);
    join::conclude(&mut draft, draft::names(all.iter()), &[]);
    notes(&mut draft, view, guarded.seen, intent, &options, &new);
    let mut plan = draft.finish(spec, intent, &all);
    plan.premises = premises(primary, members, &new);
    plan.premises.extend(fronts.premises());
    plan.invariants = vec![
        conditions::primary_is(&primary.node),
        conditions::members_between(draft::names(members.iter()), draft::names(all.iter())),
        conditions::versions_match(members.iter().map(|member| member.host.clone()).collect()),
    ];
    plan.prediction = Some(predict::prediction(&primary.node, &all, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&primary.node, &all);
    Ok(plan)
}

/// Every member may become primary, so every one lets the new nodes in.
pub(super) fn let_in(
    draft: &mut Draft,
    members: &[Placed],
    all: &[Placed],
    options: &PostgresqlSpecOptions,
) {
    // An adopted one lets them in already: a guard has tried it.
    for member in members.iter().filter(|member| !member.place.adopted) {
        let node = draft.node(&member.node);
        let before = draft::hba(members.iter(), &options.client_networks);
        let after = draft::hba(all.iter(), &options.client_networks);
        draft.act(Task {
            title: format!("let the new nodes in at {} on {}", member.node, member.host),
            reason: "any member may become primary and must then let the new nodes in",
            host: member.host.clone(),
            action: actions::write_hba(node.clone(), after),
            requires: vec![],
            undo: vec![back(&member.host, actions::write_hba(node, before))],
        });
    }
}

/// A standby whose limits are lower than the primary's does not start: they are taken from it.
pub(super) fn settings(
    primary: Primary<'_>,
    options: &PostgresqlSpecOptions,
) -> PostgresqlServerSettings {
    let read = |name| view::number(primary.server, name).unwrap_or(0);
    PostgresqlServerSettings {
        max_connections: read("max_connections").max(options.max_connections),
        max_wal_senders: read("max_wal_senders"),
        max_replication_slots: read("max_replication_slots"),
        shared_buffers_mib: options.shared_buffers_mib,
        max_worker_processes: unusual(primary, "max_worker_processes", 8),
        max_prepared_transactions: unusual(primary, "max_prepared_transactions", 0),
        max_locks_per_transaction: unusual(primary, "max_locks_per_transaction", 64),
    }
}

/// A setting of the primary that is not the server's default.
fn unusual(primary: Primary<'_>, name: &str, default: u32) -> Option<u32> {
    view::number(primary.server, name).ok().filter(|value| *value != default)
}

pub(super) fn premises(primary: &Placed, members: &[Placed], new: &[Placed]) -> Vec<Condition> {
    let mut premises = vec![
        conditions::healthy(),
        conditions::primary_is(&primary.node),
        conditions::members_are(draft::names(members.iter())),
    ];
    premises.extend(room(primary, new));
    premises.extend(hosts_alike(members, new));
    premises
}

/// There is room for the new ones, and their places are free.
pub(super) fn room(primary: &Placed, new: &[Placed]) -> Vec<Condition> {
    let mut premises = vec![
        conditions::sender_headroom(&primary.node, join::senders_needed(new.len())),
        conditions::slot_headroom(&primary.node, join::slots_needed(new.len())),
    ];
    for (host, clones) in join::clones_by_host(new) {
        premises.push(conditions::disk_for_clones(host, clones));
    }
    for node in new {
        premises.push(conditions::vacant(&node.host, &node.node));
    }
    premises
}

/// Their clocks agree, and their versions.
pub(super) fn hosts_alike(members: &[Placed], new: &[Placed]) -> Vec<Condition> {
    let hosts: Vec<String> = members.iter().chain(new).map(|node| node.host.clone()).collect();
    let mut premises: Vec<Condition> =
        hosts.iter().map(|host| conditions::clock_within(host)).collect();
    premises.push(conditions::versions_match(hosts));
    premises
}

/// They lie outside of what is claimed.
pub(super) fn tablespaces(draft: &mut Draft, server: &PostgresqlServer) {
    if server.tablespaces.is_empty() {
        return;
    }
    let list = server.tablespaces.join(", ");
    let text = format!(
        "a clone writes the tablespaces {list} to the same paths, and no undo removes them"
    );
    draft.note(NoteKind::Risk, text);
}

pub(super) fn notes(
    draft: &mut Draft,
    view: View<'_>,
    primary: Primary<'_>,
    intent: &Intent,
    options: &PostgresqlSpecOptions,
    new: &[Placed],
) {
    let size = primary.server.database_bytes;
    let at_once = join::clones_at_once(new.len());
    let limit = match options::clone_rate(intent, Some(options)) {
        0 => "without a limit (--option clone_rate_kib=N sets one)".to_owned(),
        kib => format!("at most {kib} KiB/s each"),
    };
    draft.note(
        NoteKind::Impact,
        format!(
            "{} of about {} each to read from {} on {} and to send over the network, {at_once} at once, {limit}",
            sizes::count(new.len(), "base backup"),
            sizes::text(size),
            primary.member.node,
            primary.member.host,
        ),
    );
    draft.note(
        NoteKind::Impact,
        format!(
            "{} keeps WAL for each new standby from its clone on until it has caught up",
            primary.member.node
        ),
    );
    draft.note(
        NoteKind::Risk,
        "redundancy stays as it is until the first new standby streams; failover by repmgrd stays on and would hold this operation".to_owned(),
    );
    tablespaces(draft, primary.server);
    for node in new {
        draft.note(
            NoteKind::Data,
            format!(
                "{} on {}: data in {}, reached at {} port {}, node id {}",
                node.node,
                node.host,
                node.place.data_dir,
                node.place.address,
                node.place.port,
                node.id()
            ),
        );
    }
    for text in versions::minor_differences(view, new.iter().map(|node| node.host.as_str())) {
        draft.note(NoteKind::Guard, text);
    }
}
