//! What an administrator would type for each act, should Bellows itself be gone in the middle of a plan.
//! For paper: nothing here is ever run. Every value is quoted for a shell.

use bellows_proto::v1::{
    Action, CloneStandby, DemotePrimary, HostAction, NodeRef, PostgresqlAction,
    PostgresqlPlacement, PostgresqlService, RegisterStandby, SetFront, UnregisterStandby, action,
    postgresql_action::Kind,
};

use crate::plan::by_hand::{self, quoted, unknown};
use crate::systems::host;

/// Places by the names of their nodes.
type Places<'a> = by_hand::Places<'a, PostgresqlPlacement>;

/// What could be typed for an action.
pub(super) fn lines(action: &Action, places: &Places<'_>) -> Vec<String> {
    match &action.kind {
        Some(action::Kind::Host(action)) => on_host(action, places),
        Some(action::Kind::Postgresql(action)) => postgresql(action, places),
        _ => Vec::new(),
    }
}

fn on_host(action: &HostAction, places: &Places<'_>) -> Vec<String> {
    // The others are records of the agent: without Bellows nobody asks for them.
    let Some(stone) = host::actions::burial(action) else { return Vec::new() };
    let Some(place) = places.at(stone.node.as_ref()) else { return unknown() };
    let (server, repmgrd) = (quoted(&place.server_service), quoted(&place.repmgrd_service));
    let mut lines = match place.adopted {
        true => [PostgresqlService::Repmgrd, PostgresqlService::Server]
            .map(|service| stopped(place, service))
            .to_vec(),
        false => vec![format!("systemctl disable --now {repmgrd} {server}")],
    };
    if stone.wipe_data {
        lines.push(format!("rm -r -- {}", quoted(&place.data_dir)));
    }
    lines
}

fn postgresql(action: &PostgresqlAction, places: &Places<'_>) -> Vec<String> {
    let Some(kind) = &action.kind else { return Vec::new() };
    let of = |node: &Option<NodeRef>| places.at(node.as_ref());
    let made = match kind {
        Kind::WriteConfiguration(write) => of(&write.node).map(|at| {
            let files = "postgresql.conf, pg_hba.conf, pg_ident.conf, repmgr.conf";
            vec![format!("# write {files} in {} as above, and both units", at.conf_dir)]
        }),
        Kind::RemoveConfiguration(remove) => {
            of(&remove.node).map(|at| vec![format!("rm -r -- {}", quoted(&at.conf_dir))])
        }
        Kind::WriteHba(write) => of(&write.node).map(|at| {
            let file = format!("# edit {}/pg_hba.conf as above", at.conf_dir);
            vec![file, psql(at, "SELECT pg_reload_conf()")]
        }),
        Kind::InitDatabase(init) => of(&init.node).map(|at| vec![initdb(at)]),
        Kind::CreateRepmgrDatabase(create) => {
            of(&create.node).map(|at| vec![in_database(at, "postgres", "CREATE DATABASE repmgr")])
        }
        Kind::RegisterPrimary(register) => {
            of(&register.node).map(|at| vec![repmgr(at, "primary register")])
        }
        Kind::CloneStandby(clone) => of(&clone.node).map(|at| vec![cloned(at, clone)]),
        Kind::RegisterStandby(register) => {
            of(&register.node).map(|at| vec![registered(at, register)])
        }
        Kind::UnregisterStandby(gone) => of(&gone.at).map(|at| vec![unregistered(at, gone)]),
        Kind::CreateSlot(make) => {
            of(&make.at).map(|at| vec![slot(at, "pg_create_physical_replication_slot", &make.slot)])
        }
        Kind::DropSlot(gone) => {
            of(&gone.at).map(|at| vec![slot(at, "pg_drop_replication_slot", &gone.slot)])
        }
        Kind::StartService(start) => of(&start.node).map(|at| vec![started(at, start.service())]),
        Kind::StopService(stop) => of(&stop.node).map(|at| vec![stopped(at, stop.service())]),
        Kind::PauseRepmgrd(pause) => of(&pause.node).map(|at| {
            let statement = format!("SELECT repmgr.repmgrd_pause({})", pause.paused);
            let mut commands = vec![psql(at, &statement)];
            if !pause.paused {
                commands.insert(0, restarted(at, PostgresqlService::Repmgrd));
            }
            commands
        }),
        Kind::PromoteStandby(promote) => {
            of(&promote.node).map(|at| vec![repmgr(at, "standby promote")])
        }
        Kind::FollowUpstream(follow) => of(&follow.node).map(|at| {
            let upstream = format!("standby follow --upstream-node-id={}", follow.upstream_id);
            vec![repmgr(at, &upstream)]
        }),
        Kind::SetFront(set) => Some(fronted(set)),
        Kind::DemotePrimary(demote) => of(&demote.node).map(|at| demoted(at, demote)),
        Kind::DiscardData(discard) => of(&discard.node)
            .map(|at| vec![format!("find {} -mindepth 1 -delete", quoted(&at.data_dir))]),
    };
    made.unwrap_or_else(unknown)
}

fn as_owner(at: &PostgresqlPlacement, program: &str) -> String {
    format!("sudo -u {} {}", quoted(&at.os_user), quoted(&format!("{}/{program}", at.bin_dir)))
}

/// A program of the operating system.
fn as_user(at: &PostgresqlPlacement, program: &str) -> String {
    format!("sudo -u {} {program}", quoted(&at.os_user))
}

fn repmgr(at: &PostgresqlPlacement, command: &str) -> String {
    let config = match at.adopted {
        true => quoted(&at.repmgr_conf),
        false => quoted(&format!("{}/repmgr.conf", at.conf_dir)),
    };
    format!("{} -f {config} {command}", as_owner(at, "repmgr"))
}

fn psql(at: &PostgresqlPlacement, statement: &str) -> String {
    in_database(at, "repmgr", statement)
}

fn in_database(at: &PostgresqlPlacement, database: &str, statement: &str) -> String {
    let (psql, socket, statement) =
        (as_owner(at, "psql"), quoted(&at.socket_dir), statement_word(statement));
    format!("{psql} -h {socket} -p {} -U repmgr -d {database} -c {statement}", at.port)
}

fn slot(at: &PostgresqlPlacement, function: &str, slot: &str) -> String {
    // A slot's name has no quote in it; doubled all the same.
    psql(at, &format!("SELECT {function}('{}')", slot.replace('\'', "''")))
}

fn initdb(at: &PostgresqlPlacement) -> String {
    let options = "-U repmgr -k -A scram-sha-256 --auth-local=peer -E UTF8 --locale=C.UTF-8 -W";
    format!("{} -D {} {options}", as_owner(at, "initdb"), quoted(&at.data_dir))
}

fn cloned(at: &PostgresqlPlacement, clone: &CloneStandby) -> String {
    let from = connection(&clone.upstream_address, clone.upstream_port);
    repmgr(at, &format!("{from} standby clone --fast-checkpoint"))
}

fn connection(address: &str, port: u32) -> String {
    format!("-h {} -p {port} -U repmgr -d repmgr", quoted(address))
}

fn registered(at: &PostgresqlPlacement, register: &RegisterStandby) -> String {
    let upstream = format!("--upstream-node-id={}", register.upstream_id);
    if register.primary_port == 0 {
        let force = if register.force { " --force" } else { "" };
        return repmgr(at, &format!("standby register {upstream}{force}"));
    }
    // Its server does not run: the record is written at the primary.
    let to = connection(&register.primary_address, register.primary_port);
    repmgr(at, &format!("{to} standby register --force {upstream}"))
}

fn unregistered(at: &PostgresqlPlacement, gone: &UnregisterStandby) -> String {
    let kind = if gone.former_primary { "primary" } else { "standby" };
    repmgr(at, &format!("{kind} unregister --node-id={}", gone.node_id))
}

fn demoted(at: &PostgresqlPlacement, demote: &DemotePrimary) -> Vec<String> {
    let (address, port, slot) = (&demote.primary_address, demote.primary_port, &demote.slot);
    let data = &at.data_dir;
    vec![
        format!(
            "# in {data}/postgresql.auto.conf: primary_conninfo with host={address} port={port} \
             user=repmgr passfile={}, primary_slot_name = '{slot}'",
            at.passfile
        ),
        format!("{} {}/standby.signal", as_user(at, "touch"), quoted(data)),
    ]
}

/// How a front is reached stands in its host's agent.toml only.
fn fronted(set: &SetFront) -> Vec<String> {
    let name = set.front.as_ref().map_or("", |front| front.node.as_str());
    vec![
        format!(
            "# at {name}, as above. A hook: COMMAND set. Pgpool-II: edit the backends in pgpool.conf;"
        ),
        "# new ones: pcp_reload_config; changed or gone ones: systemctl restart pgpool2".to_owned(),
        "# then read pcp_node_info -v; pcp_attach_node -n N, pcp_detach_node -n N, one every 5 s"
            .to_owned(),
    ]
}

fn unit(at: &PostgresqlPlacement, service: PostgresqlService) -> String {
    match service {
        PostgresqlService::Server => quoted(&at.server_service),
        PostgresqlService::Repmgrd => quoted(&at.repmgrd_service),
        PostgresqlService::Unspecified => "''".to_owned(),
    }
}

fn started(at: &PostgresqlPlacement, service: PostgresqlService) -> String {
    let unit = unit(at, service);
    match (at.adopted, is_named(at, service)) {
        (false, _) => format!("systemctl enable --now {unit}"),
        (true, true) => format!("systemctl unmask {unit} && systemctl start {unit}"),
        (true, false) => as_always("start", at, service),
    }
}

fn stopped(at: &PostgresqlPlacement, service: PostgresqlService) -> String {
    let unit = unit(at, service);
    match (at.adopted, is_named(at, service)) {
        (false, _) => format!("systemctl disable --now {unit}"),
        // Something else than its being enabled may start it.
        (true, true) => format!("systemctl stop {unit} && systemctl mask {unit}"),
        (true, false) => as_always("stop", at, service),
    }
}

fn restarted(at: &PostgresqlPlacement, service: PostgresqlService) -> String {
    match at.adopted && !is_named(at, service) {
        true => as_always("restart", at, service),
        false => format!("systemctl restart {}", unit(at, service)),
    }
}

/// The unit is known: that of an adopted node need not be.
fn is_named(at: &PostgresqlPlacement, service: PostgresqlService) -> bool {
    unit(at, service) != "''"
}

fn as_always(verb: &str, at: &PostgresqlPlacement, service: PostgresqlService) -> String {
    let (what, data) = (super::join::service_name(service), &at.data_dir);
    format!("# {verb} {what} of {data} as it is done on that host")
}

/// A statement as one shell word: its own quotes stay readable where that is safe.
fn statement_word(statement: &str) -> String {
    if statement.contains(['"', '$', '`', '\\', '!']) {
        return quoted(statement);
    }
    format!("\"{statement}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_statement_becomes_a_command() {
        assert_eq!(statement_word("SELECT f('a')"), "\"SELECT f('a')\"");
        assert_eq!(statement_word("$(x)"), "'$(x)'");
    }
}
