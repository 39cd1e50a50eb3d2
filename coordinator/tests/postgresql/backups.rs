//! The age of the last good backup, where the site demands one.

use bellows::{
    plan::Systems as _,
    systems::{AllSystems, postgresql::Policy},
};
use bellows_proto::v1::{
    Backup, BackupRepository, BackupStanza, Fault, FaultCode, Intent, Observation, Plan,
    PostgresqlBackups, PostgresqlBackupsReading, Refusal, Spec, observation,
    postgresql_backups_reading::Outcome, postgresql_query, query,
};

use crate::world::{self, SYSTEM_ID, World};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_795_276_754_000;

fn site() -> AllSystems {
    AllSystems {
        postgresql: Policy { backup_max_age_ms: Some(26 * 3_600_000), ..Policy::default() },
    }
}

/// Ended so many hours ago.
fn backup(label: &str, hours: i64) -> Backup {
    Backup {
        label: label.to_owned(),
        kind: "full".to_owned(),
        repository: 1,
        system_identifier: SYSTEM_ID.to_owned(),
        ended_at_ms: NOW - hours * HOUR,
        damaged: Some(false),
    }
}

fn stanza(code: u32, status: &str, backups: Vec<Backup>) -> BackupStanza {
    let status = status.to_owned();
    let repository = BackupRepository { key: 1, status_code: code, status: status.clone() };
    let name = "main".to_owned();
    BackupStanza { name, status_code: code, status, repositories: vec![repository], backups }
}

fn told(host: &str, stanzas: Vec<BackupStanza>) -> PostgresqlBackupsReading {
    let backups = PostgresqlBackups { declared: true, clock_ms: NOW, stanzas };
    PostgresqlBackupsReading { host: host.to_owned(), outcome: Some(Outcome::Backups(backups)) }
}

fn undeclared(host: &str) -> PostgresqlBackupsReading {
    let outcome = Some(Outcome::Backups(PostgresqlBackups::default()));
    PostgresqlBackupsReading { host: host.to_owned(), outcome }
}

fn seen(
    world: &World,
    spec: &Spec,
    intent: &Intent,
    told: &[PostgresqlBackupsReading],
) -> Observation {
    let mut observation = world.observe(spec, Some(intent));
    if let Some(observation::System::Postgresql(seen)) = &mut observation.system {
        seen.backups = told.to_vec();
    }
    observation
}

fn planned(intent: &Intent, told: &[PostgresqlBackupsReading]) -> Result<Plan, Vec<Refusal>> {
    let (world, spec) = world::cluster(3, 0, &[]);
    site().plan(&spec, &seen(&world, &spec, intent, told), intent)
}

/// What the guard says, alone.
fn refused(told: &[PostgresqlBackupsReading]) -> String {
    match planned(&world::shrink(&["pg3"], &[]), told).unwrap_err().as_slice() {
        [one] => {
            assert_eq!(one.code, "PG-51");
            one.value.clone()
        }
        several => panic!("{several:#?}"),
    }
}

fn value(told: &[PostgresqlBackupsReading]) -> String {
    let plan = planned(&world::shrink(&["pg3"], &[]), told).unwrap();
    plan.guards.into_iter().find(|guard| guard.code == "PG-51").unwrap().value
}

#[test]
fn a_young_good_backup_lets_the_plan_pass_and_is_shown() {
    let good = told("h2", vec![stanza(0, "ok", vec![backup("old", 50), backup("young", 3)])]);
    let text = "young (full) ended 3 h ago by the clock of h2; at most 1 d 2 h is allowed";
    assert_eq!(value(&[undeclared("h1"), good.clone()]), text);
    // Another host that cannot tell does not take that away.
    let fault =
        Fault::new(FaultCode::ToolFailed, "pgbackrest failed to read the backups: status 55");
    let silent =
        PostgresqlBackupsReading { host: "h1".into(), outcome: Some(Outcome::Fault(fault)) };
    assert_eq!(value(&[silent, good]), text);
}

#[test]
fn who_demands_nothing_asks_nothing() {
    let (world, spec) = world::cluster(3, 0, &[]);
    let intent = world::shrink(&["pg3"], &[]);
    let plan =
        AllSystems::default().plan(&spec, &seen(&world, &spec, &intent, &[]), &intent).unwrap();
    assert!(plan.guards.iter().all(|guard| guard.code != "PG-51"));
    let asks = |questions: Vec<bellows::plan::Question>| {
        let backups = questions.into_iter().filter(|question| {
            matches!(&question.query.kind, Some(query::Kind::Postgresql(query))
                if matches!(query.kind, Some(postgresql_query::Kind::Backups(_))))
        });
        backups.map(|question| question.host).collect::<Vec<_>>()
    };
    assert!(asks(AllSystems::default().planning_queries(&spec, &intent, &[])).is_empty());
    assert_eq!(asks(site().planning_queries(&spec, &intent, &[])), ["h1", "h2", "h3"]);
    // A tool that may be slow is not asked again at every step.
    assert!(asks(site().next_queries(&spec, Some(&intent), &[])).is_empty());
}

#[test]
fn what_is_no_good_backup_is_said_plainly() {
    let with = |stanzas| refused(&[told("h2", stanzas)]);
    assert_eq!(
        refused(&[undeclared("h1"), undeclared("h2")]),
        "no host of the cluster says in its agent.toml where its backups are"
    );
    assert_eq!(
        with(vec![stanza(0, "ok", vec![backup("L1", 27)])]),
        "the last good backup is too old: L1 (full) ended 1 d 3 h ago by the clock of h2; \
         at most 1 d 2 h is allowed"
    );
    assert_eq!(
        with(vec![stanza(1, "missing stanza path", vec![])]),
        "there is no good backup of this cluster; not counted: \
         stanza main on h2: missing stanza path"
    );
    let damaged = Backup { damaged: Some(true), ..backup("L2", 1) };
    let unsaid = Backup { damaged: None, ..backup("L3", 0) };
    let text = with(vec![stanza(0, "ok", vec![backup("L1", 40), damaged, unsaid])]);
    assert_eq!(
        text,
        "the last good backup is too old: L1 (full) ended 1 d 16 h ago by the clock of h2; at most \
         1 d 2 h is allowed; not counted: L3 on h2 does not say whether its pages are whole; L2 on h2 \
         has damaged pages, or rests on one that has"
    );
    let text = with(vec![stanza(0, "ok", vec![backup("L1", -2)])]);
    assert!(text.ends_with("L1 on h2 ended 2 h in the future: the clocks differ"), "{text}");
    let broken = stanza(99, "[FileOpenError] unable to load\nHINT: x", vec![backup("L1", 1)]);
    let text = with(vec![broken]);
    assert!(text.ends_with("trouble: [FileOpenError] unable to load"), "{text}");
}

/// A repository may hold those of many clusters: only the system identifier says whose they are.
#[test]
fn the_backups_of_another_cluster_do_not_count() {
    let other = Backup { system_identifier: "42".to_owned(), ..backup("L1", 1) };
    let nobody = Backup { system_identifier: String::new(), ..backup("L2", 1) };
    let text = refused(&[told("h1", vec![stanza(0, "ok", vec![other, nobody])])]);
    assert_eq!(text, "there is no good backup of this cluster");
}

#[test]
fn an_old_backup_may_be_accepted_with_a_reason() {
    let old = [told("h1", vec![stanza(0, "ok", vec![backup("L1", 100)])])];
    let intent = world::accepting(world::switchover("pg2"), "PG-51");
    let plan = planned(&intent, &old).unwrap();
    let note = &plan.notes.first().unwrap().text;
    assert!(note.starts_with("PG-51 (age of the last good backup) says no and was accepted"));
    assert!(note.ends_with("Reason given: CHG-4711: agreed"), "{note}");
    assert!(plan.guards.iter().all(|guard| guard.code != "PG-51"), "{:?}", plan.guards);
    assert!(bellows::paper::in_chinese(note).is_some());
}

/// All that say no are said at once, also when a hard one does.
#[test]
fn it_is_judged_beside_the_hard_guards() {
    let refusals = planned(&world::shrink(&["pg2", "pg3"], &[]), &[]).unwrap_err();
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    assert_eq!(codes, ["PG-19", "PG-51"]);
}
