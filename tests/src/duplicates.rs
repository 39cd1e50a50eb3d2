//! Tool runs that the journal does not explain. The wrappers know which command lines ran,
//! the journal knows which attempts were made; a changing command line that ran more often
//! than that is a duplicate.

mod bookkeeper;
mod kwdb;

use std::collections::BTreeMap;

use bellows_proto::v1::{
    Act, Action, BookkeeperAction, KwdbAction, OperationDetail, PostgresqlAction,
    PostgresqlService, action, event, postgresql_action::Kind,
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
        .filter_map(|event| {
            let Some(event::Kind::ActStarted(started)) = &event.kind else { return None };
            attempt(started.act.as_ref()?)
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
            let explained = match tool == bookkeeper::TOOL && bookkeeper::repeats(args) {
                true if explained > 0 => ran,
                _ => explained,
            };
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
        bookkeeper::TOOL => bookkeeper::changes(&run.args),
        kwdb::TOOL => kwdb::changes(&run.args),
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
    let kind = match &attempt.action.kind {
        Some(action::Kind::Postgresql(PostgresqlAction { kind: Some(kind) })) => kind,
        Some(action::Kind::Kwdb(KwdbAction { kind: Some(kind) })) => {
            return tool == kwdb::TOOL && kwdb::explains(kind, args);
        }
        Some(action::Kind::Bookkeeper(BookkeeperAction { kind: Some(kind) })) => {
            return tool == bookkeeper::TOOL && bookkeeper::explains(kind, args);
        }
        _ => return false,
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
            let kind = if unregister.former_primary { "primary" } else { "standby" };
            tool == "repmgr" && has(kind) && has("unregister") && named
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
        Kind::PauseRepmgrd(pause) => {
            let word = format!("paused={}", pause.paused);
            (tool == "psql" && statement.contains("repmgrd_pause") && has(&word))
                // Started anew before it decides again.
                || (tool == "repmgrd" && !pause.paused)
        }
        // repmgr calls pg_ctl for both; a second try may only have to write the record.
        Kind::PromoteStandby(_) => match tool {
            "pg_ctl" => has("promote"),
            _ => tool == "repmgr" && (has("promote") || has("primary")),
        },
        Kind::FollowUpstream(_) => match tool {
            "pg_ctl" => has("reload"),
            _ => tool == "repmgr" && (has("follow") || has("register")),
        },
        Kind::StopService(stop) => {
            stop.checkpoint_first && tool == "psql" && statement.contains("checkpoint")
        }
        // What stands in front is called without the wrapper.
        Kind::SetFront(_)
        | Kind::WriteConfiguration(_)
        | Kind::RemoveConfiguration(_)
        | Kind::DemotePrimary(_)
        | Kind::DiscardData(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use bellows_proto::v1::{ActStarted, CloneStandby, DropSlot, Event};

    use super::*;

    fn run(line: &str, pgoptions: &str, statement: &str) -> Run {
        let mut words = line.split(' ').map(str::to_owned);
        Run {
            at_ns: 1,
            pid: 1,
            tool: words.next().unwrap(),
            pgoptions: pgoptions.to_owned(),
            statement: statement.to_owned(),
            args: words.collect(),
        }
    }

    fn journal(host: &str, kinds: &[Kind]) -> OperationDetail {
        let event = |kind: &Kind| {
            let postgresql = PostgresqlAction { kind: Some(kind.clone()) };
            let action = Action { kind: Some(action::Kind::Postgresql(postgresql)) };
            let act = Act { host: host.to_owned(), action: Some(action), ..Act::default() };
            let started = ActStarted { act: Some(act), ..ActStarted::default() };
            Event { kind: Some(event::Kind::ActStarted(started)), ..Event::default() }
        };
        OperationDetail { events: kinds.iter().map(event).collect(), ..OperationDetail::default() }
    }

    #[test]
    fn a_clone_that_ran_twice_for_one_attempt_is_a_duplicate() {
        let attempts = attempts(&[journal("h4", &[Kind::CloneStandby(CloneStandby::default())])]);
        let clone = run("repmgr -f x standby clone", "", "");
        let copy = run("pg_basebackup -D d", "", "");
        let reading = run("psql -d d", "-c default_transaction_read_only=on", "");
        let version = run("repmgr --version", "", "");
        let runs = vec![clone.clone(), copy, reading.clone(), reading, version.clone(), version];
        let found = find(&[("h4".to_owned(), runs.clone())], &attempts);
        assert_eq!(found, Findings { changing: 2, duplicates: Vec::new() });
        let twice = find(&[("h4".to_owned(), [runs.clone(), vec![clone]].concat())], &attempts);
        assert_eq!(twice.duplicates.len(), 1, "{twice:?}");
        // An attempt at another host explains nothing here.
        assert_eq!(find(&[("h5".to_owned(), runs)], &attempts).duplicates.len(), 2);
    }

    #[test]
    fn a_statement_is_explained_by_its_own_kind_of_act() {
        let slot = DropSlot { slot: "repmgr_slot_4".to_owned(), ..DropSlot::default() };
        let attempts = attempts(&[journal("h1", &[Kind::DropSlot(slot)])]);
        let drop = |slot: &str| {
            run(&format!("psql -v slot={slot}"), "", "select pg_drop_replication_slot(:'slot')")
        };
        let of = |runs: Vec<Run>| find(&[("h1".to_owned(), runs)], &attempts).duplicates.len();
        assert_eq!(of(vec![drop("repmgr_slot_4")]), 0);
        assert_eq!(of(vec![drop("repmgr_slot_5")]), 1);
        assert_eq!(of(vec![run("psql -d d", "", "select pg_reload_conf()")]), 1);
        assert_eq!(of(vec![run("pg_rewind -D d", "", "")]), 1);
    }
}
