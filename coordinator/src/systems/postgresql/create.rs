//! Plans a new cluster: its first node becomes the primary, the others join as standbys.

use bellows_proto::v1::{
    Intent, NewCluster, NoteKind, Observation, Plan, PostgresqlServerSettings, PostgresqlService,
    PostgresqlSpecOptions, Refusal, Spec, spec_change,
};

use super::{
    actions, conditions,
    draft::{self, Draft, Placed, Task, back},
    guards::{self, Rule},
    ids, join, options, predict, sizes,
    view::View,
};

/// Clusters of some twenty members fit; an unused WAL sender or slot costs next to nothing.
const SENDERS_AND_SLOTS: u32 = 20;
/// How long the first registration may take to show.
const PROVE_FIRST: &str = "everything else is copied from this server";

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let options = options::for_create(intent);
    let nodes = guards::create(spec, view, intent, &options)?;
    let new = ids::numbered(spec, view, nodes);
    let Some((primary, standbys)) = new.split_first() else {
        return Err(vec![Rule::ValidIntent.refusal("no node is named")]);
    };
    let mut draft = Draft::new(&spec.cluster);
    let names = draft::names(new.iter());
    for (at, node) in new.iter().enumerate() {
        join::claim(&mut draft, node);
        match at {
            0 => draft.changing(spec_change::Kind::NewCluster(NewCluster {
                options: Some(options::in_spec(options.clone())),
            })),
            1 => draft.changing(draft::ids_used(&new)),
            _ => {}
        }
    }
    let rate = options::clone_rate(intent, Some(&options));
    let all = draft::in_order(new.iter());
    for node in &new {
        let hba = draft::hba(all.iter(), &options.client_networks);
        join::configure(&mut draft, node, server_settings(&options), hba, rate);
    }
    first(&mut draft, primary);
    join::claim_ids_and_slots(&mut draft, primary, standbys);
    join::join(&mut draft, primary, standbys);
    join::conclude(&mut draft, names, &[]);
    notes(&mut draft, &new);
    let mut plan = draft.finish(spec, intent, &new);
    plan.premises = premises(&new);
    plan.prediction = Some(predict::prediction(&primary.node, &new, &[]));
    plan.after = predict::views(&primary.node, &new);
    Ok(plan)
}

fn server_settings(options: &PostgresqlSpecOptions) -> PostgresqlServerSettings {
    PostgresqlServerSettings {
        max_connections: options.max_connections,
        max_wal_senders: SENDERS_AND_SLOTS,
        max_replication_slots: SENDERS_AND_SLOTS,
        shared_buffers_mib: options.shared_buffers_mib,
        ..PostgresqlServerSettings::default()
    }
}

fn premises(new: &[Placed]) -> Vec<bellows_proto::v1::Condition> {
    let mut premises = Vec::new();
    for node in new {
        premises.push(conditions::host_answers(&node.host));
        premises.push(conditions::clock_within(&node.host));
        premises.push(conditions::vacant(&node.host, &node.node));
        premises.push(conditions::disk_free(&node.host, sizes::FRESH_BYTES));
    }
    premises.push(conditions::versions_match(new.iter().map(|node| node.host.clone()).collect()));
    premises
}

fn notes(draft: &mut Draft, new: &[Placed]) {
    for node in new {
        draft.note(
            NoteKind::Data,
            format!(
                "{} on {}: data in {}, reached at {} port {}",
                node.node, node.host, node.place.data_dir, node.place.address, node.place.port
            ),
        );
    }
    draft.note(
        NoteKind::Impact,
        "no data yet: clones take seconds; repmgrd promotes a standby by itself when the primary fails".to_owned(),
    );
}

/// The primary: initdb, server, repmgr.
fn first(draft: &mut Draft, primary: &Placed) {
    let node = draft.node(&primary.node);
    let host = || primary.host.clone();
    draft.act(Task {
        title: format!("initialise the database of {} on {}", primary.node, primary.host),
        reason: "a new database system with checksums and scram-sha-256 logins",
        host: host(),
        action: actions::init_database(node.clone()),
        requires: vec![],
        undo: vec![back(&host(), actions::discard_data(node.clone()))],
    });
    join::start(draft, primary, PostgresqlService::Server, PROVE_FIRST);
    // What is made inside of the database goes with the data directory: nothing to undo of its own.
    draft.act(Task {
        title: format!("create the repmgr database of {} on {}", primary.node, primary.host),
        reason: "repmgr keeps its records in a database of its own",
        host: host(),
        action: actions::create_repmgr_database(node.clone()),
        requires: vec![conditions::primary_is(&primary.node)],
        undo: vec![],
    });
    join::claim_at_primary(
        draft,
        primary,
        join::node_id_resource(primary.id()),
        &format!("node id {} for {}", primary.id(), primary.node),
    );
    draft.act(Task {
        title: format!("register {} with repmgr on {} as primary", primary.node, primary.host),
        reason: "standbys are registered below it",
        host: host(),
        action: actions::register_primary(node),
        requires: vec![conditions::primary_is(&primary.node)],
        undo: vec![],
    });
    join::start(draft, primary, PostgresqlService::Repmgrd, "repmgrd watches the server");
    join::prove(draft, primary);
}
