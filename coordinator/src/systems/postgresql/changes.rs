//! What an act changes in managed files, in lines for the plan. The files themselves are
//! rendered on the host; what differs is in the typed settings.

use bellows_proto::v1::{
    Act, Action, FrontBackend, HbaSettings, PostgresqlServerSettings, SetFront, WriteConfiguration,
    action, postgresql_action::Kind,
};

/// Lines that begin with "+ " or "- "; empty for acts that write no managed file.
pub(super) fn of(act: &Act) -> Vec<String> {
    match kind(act.action.as_ref()) {
        Some(Kind::WriteConfiguration(write)) => configuration(write),
        Some(Kind::WriteHba(write)) => {
            let after = write.hba.clone().unwrap_or_default();
            let before = act.undo.iter().find_map(|undo| match kind(undo.action.as_ref()) {
                Some(Kind::WriteHba(undo)) => undo.hba.clone(),
                Some(_) | None => None,
            });
            let before = before.unwrap_or_default();
            let (gone, new) = (rules(&before), rules(&after));
            let minus = gone.iter().filter(|rule| !new.contains(rule)).map(|r| format!("- {r}"));
            let plus = new.iter().filter(|rule| !gone.contains(rule)).map(|r| format!("+ {r}"));
            minus.chain(plus).collect()
        }
        Some(Kind::SetFront(set)) => front(set),
        Some(_) | None => Vec::new(),
    }
}

/// Who is listed and how; of those that stay as they are nothing is said.
fn front(set: &SetFront) -> Vec<String> {
    let line = |backend: &FrontBackend| {
        let FrontBackend { node, address, port, .. } = backend;
        let state = match (backend.attached, backend.primary) {
            (Some(false), _) => "no client is led to it",
            (_, Some(true)) => "the primary",
            (Some(true), _) => "a standby",
            (None, _) => "as it is",
        };
        format!("{node} ({address} port {port}): {state}")
    };
    let (before, after): (Vec<String>, Vec<String>) =
        (set.before.iter().map(line).collect(), set.backends.iter().map(line).collect());
    let minus = before.iter().filter(|one| !after.contains(one)).map(|one| format!("- {one}"));
    let plus = after.iter().filter(|one| !before.contains(one)).map(|one| format!("+ {one}"));
    minus.chain(plus).collect()
}

fn kind(action: Option<&Action>) -> Option<&Kind> {
    let action::Kind::Postgresql(action) = action?.kind.as_ref()? else { return None };
    action.kind.as_ref()
}

fn configuration(write: &WriteConfiguration) -> Vec<String> {
    let mut lines = write.server.as_ref().map(server).unwrap_or_default();
    lines.extend(write.hba.as_ref().map(rules).unwrap_or_default());
    let rate = match write.clone_rate_kib {
        0 => "no limit for base backups".to_owned(),
        kib => format!("base backups at most {kib} KiB/s"),
    };
    lines.push(format!("repmgr.conf: failover=automatic, replication slots, {rate}"));
    lines.push("pg_ident.conf: the operating system's user is repmgr and postgres".to_owned());
    lines.into_iter().map(|line| format!("+ {line}")).collect()
}

fn server(settings: &PostgresqlServerSettings) -> Vec<String> {
    let set = [
        ("max_connections", settings.max_connections),
        ("max_wal_senders", settings.max_wal_senders),
        ("max_replication_slots", settings.max_replication_slots),
        ("shared_buffers (MiB)", settings.shared_buffers_mib),
        ("max_worker_processes", settings.max_worker_processes.unwrap_or(0)),
        ("max_prepared_transactions", settings.max_prepared_transactions.unwrap_or(0)),
        ("max_locks_per_transaction", settings.max_locks_per_transaction.unwrap_or(0)),
    ];
    let own = set.into_iter().filter(|(_, value)| *value != 0);
    own.map(|(name, value)| format!("postgresql.conf: {name} = {value}")).collect()
}

fn rules(hba: &HbaSettings) -> Vec<String> {
    let members = hba.members.iter().map(|address| {
        format!("pg_hba.conf: {address}: repmgr and replication as repmgr, scram-sha-256")
    });
    let clients = hba
        .client_networks
        .iter()
        .map(|network| format!("pg_hba.conf: {network}: clients, scram-sha-256"));
    members.chain(clients).collect()
}
