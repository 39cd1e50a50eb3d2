//! Tool runs that the journal does not explain. The wrappers know which command lines ran,
//! the journal knows which attempts were made; a changing command line that ran more often
//! than that is a duplicate.

use std::collections::BTreeMap;

use bellows_proto::v1::{
    Act, Action, OperationDetail, PostgresqlAction, PostgresqlService, action, event,
    postgresql_action::Kind,
};

use crate::wrapper::Run;

/// An attempt at an act, from the journal.
#[derive(Debug, Clone)]
pub struct Attempt {
    host: String,
    action: Action,
}

/// All attempts of these operations.
pub fn attempts(operations: &[OperationDetail]) -> Vec<Attempt> {
    operations
        .iter()
        .flat_map(|operation| &operation.events)
        .filter_map(|event| match event.kind.as_ref()? {
            event::Kind::ActStarted(started) => attempt(started.act.as_ref()?),
            _ => None,
        })
        .collect()
}

fn attempt(act: &Act) -> Option<Attempt> {
    Some(Attempt { host: act.host.clone(), action: act.action.clone()? })
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Runs that change something.
    pub changing: usize,
    /// Runs beyond what the attempts explain, in words.
    pub duplicates: Vec<String>,
}

/// Compares runs, by host, with the attempts.
pub fn find(runs: &[(String, Vec<Run>)], attempts: &[Attempt]) -> Findings {
    let mut findings = Findings::default();
    for (host, runs) in runs {
        let mut times: BTreeMap<(&str, &[String], &str), usize> = BTreeMap::new();
        for run in runs.iter().filter(|run| changes(run)) {
            findings.changing += 1;
            let line = (run.tool.as_str(), run.args.as_slice(), run.statement.as_str());
            *times.entry(line).or_default() += 1;
        }
        for ((tool, args, statement), ran) in times {
            let explained = attempts
                .iter()
                .filter(|attempt| attempt.host == *host)
                .filter(|attempt| explains(attempt, tool, args, statement))
                .count();
            for _ in explained..ran {
                findings.duplicates.push(format!(
                    "{host}: {tool} {} {statement}: ran {ran} times, {explained} attempts",
                    args.join(" ")
                ));
            }
        }
    }
    findings
}

/// Whether a run may change something. What is not known to be harmless may.
fn changes(run: &Run) -> bool {
    let has = |word: &str| run.args.iter().any(|arg| arg == word);
    if has("--version") || has("-V") || has("--help") || has("-?") {
        return false;
    }
    match run.tool.as_str() {
        "pg_controldata" | "pg_isready" | "pg_config" | "pg_verifybackup" => false,
        "psql" => !run.pgoptions.contains("default_transaction_read_only=on"),
        "pg_ctl" => !has("status"),
        // `standby unregister` ignores --dry-run.
        "repmgr" if has("unregister") => true,
        "repmgr" => !(has("--dry-run") || has("show") || has("check") || has("status")),
        _ => true,
    }
}

fn explains(attempt: &Attempt, tool: &str, args: &[String], statement: &str) -> bool {
    let Some(action::Kind::Postgresql(PostgresqlAction { kind: Some(kind) })) =
        &attempt.action.kind
    else {
        return false;
    };
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let service = |start: i32, wanted: PostgresqlService| start == i32::from(wanted);
    match kind {
        Kind::InitDatabase(_) => {
            tool == "initdb" || (tool == "postgres" && has("--single")) || tool == "psql"
        }
        Kind::CreateRepmgrDatabase(_) => tool == "psql",
        Kind::RegisterPrimary(_) => tool == "repmgr" && has("primary") && has("register"),
        Kind::CloneStandby(_) => {
            (tool == "repmgr" && has("standby") && has("clone")) || tool == "pg_basebackup"
        }
        Kind::RegisterStandby(_) => tool == "repmgr" && has("standby") && has("register"),
        Kind::UnregisterStandby(unregister) => {
            let id = unregister.node_id.to_string();
            let named = has(&format!("--node-id={id}")) || has(&id);
            tool == "repmgr" && has("standby") && has("unregister") && named
        }
        Kind::CreateSlot(create) => {
            let named = args.iter().any(|arg| arg.contains(&create.slot));
            tool == "psql"
                && statement.contains("pg_create_physical_replication_slot")
                && (named || statement.contains(&create.slot))
        }
        Kind::DropSlot(drop) => {
            let named = args.iter().any(|arg| arg.contains(&drop.slot));
            tool == "psql"
                && statement.contains("pg_drop_replication_slot")
                && (named || statement.contains(&drop.slot))
        }
        Kind::WriteHba(_) => tool == "psql" && statement.contains("pg_reload_conf"),
        Kind::StartService(start) => match tool {
            "postgres" => service(start.service, PostgresqlService::Server) && !has("--single"),
            "repmgrd" => service(start.service, PostgresqlService::Repmgrd),
            _ => false,
        },
        Kind::WriteConfiguration(_)
        | Kind::RemoveConfiguration(_)
        | Kind::StopService(_)
        | Kind::DiscardData(_) => false,
    }
}
