//! The age of the last good backup, where the site demands one. What failed, is damaged, comes from
//! the future or cannot be read is not good, and is told of. Judged by the clock of the host that
//! told of it.

use bellows_proto::{
    names::natural,
    v1::{
        Backup, BackupStanza, PostgresqlBackups, PostgresqlBackupsReading,
        postgresql_backups_reading::Outcome,
    },
};

use super::super::{
    Policy,
    conditions::CLOCK_LIMIT_MS,
    sizes,
    view::{self, View},
};

/// So many reasons are told.
const TOLD: usize = 4;

/// A good backup, and where it was seen.
struct Good<'a> {
    backup: &'a Backup,
    host: &'a str,
    age_ms: u64,
}

/// All that hosts told, sorted.
#[derive(Default)]
struct Told<'a> {
    good: Option<Good<'a>>,
    /// Why others are not counted.
    flaws: Vec<String>,
    /// A host named a source and told something.
    declared: bool,
}

/// What is to be shown of the last good backup, or why there is none that is young enough. `None`:
/// the site demands none.
pub(super) fn judge(view: View<'_>, policy: &Policy) -> Option<Result<String, String>> {
    let most = policy.backup_max_age_ms?;
    let Some(cluster) = identifier(view) else {
        return Some(Err("whose backups count is not known: no system identifier was read".into()));
    };
    let told = sorted(view, cluster);
    let flaws = listed(&told.flaws);
    let most_text = sizes::age(most);
    Some(match told.good {
        Some(good) if good.age_ms <= most => {
            Ok(format!("{}; at most {most_text} is allowed", good.text()))
        }
        Some(good) => Err(format!(
            "the last good backup is too old: {}; at most {most_text} is allowed{flaws}",
            good.text()
        )),
        None if told.declared => Err(format!("there is no good backup of this cluster{flaws}")),
        None => Err(format!(
            "no host of the cluster says in its agent.toml where its backups are{flaws}"
        )),
    })
}

impl Good<'_> {
    fn text(&self) -> String {
        let Backup { label, kind, .. } = self.backup;
        let age = sizes::age(self.age_ms);
        format!("{label} ({kind}) ended {age} ago by the clock of {}", self.host)
    }
}

/// Any member's: it is the same for all.
fn identifier(view: View<'_>) -> Option<&str> {
    let mut readings = view.in_spec().filter_map(|member| view::reading(member).ok());
    readings.find_map(|reading| match reading.system_identifier.as_str() {
        "" => None,
        identifier => Some(identifier),
    })
}

fn sorted<'a>(view: View<'a>, cluster: &str) -> Told<'a> {
    let mut told = Told::default();
    let mut readings: Vec<&PostgresqlBackupsReading> = view.backups.iter().collect();
    readings.sort_by(|a, b| natural(&a.host, &b.host));
    for reading in readings {
        let host = reading.host.as_str();
        match &reading.outcome {
            Some(Outcome::Backups(backups)) if backups.declared => {
                told.declared = true;
                for stanza in &backups.stanzas {
                    one_stanza(&mut told, host, backups, stanza, cluster);
                }
            }
            Some(Outcome::Backups(_)) => {}
            Some(Outcome::Fault(fault)) => {
                told.flaws.push(format!("{host} cannot tell: {}", fault.message));
            }
            None => told.flaws.push(format!("{host} gave no answer")),
        }
    }
    told
}

fn one_stanza<'a>(
    told: &mut Told<'a>,
    host: &'a str,
    backups: &PostgresqlBackups,
    stanza: &'a BackupStanza,
    cluster: &str,
) {
    let name = &stanza.name;
    let mut ours =
        stanza.backups.iter().rev().filter(|backup| backup.system_identifier == cluster).peekable();
    if ours.peek().is_none() && stanza.status_code != 0 {
        told.flaws.push(format!("stanza {name} on {host}: {}", first_line(&stanza.status)));
    }
    for backup in ours {
        if let Some(flaw) = flaw(stanza, backup, backups.clock_ms) {
            told.flaws.push(format!("{} on {host} {flaw}", backup.label));
            continue;
        }
        let newer = |good: &Good<'_>| good.backup.ended_at_ms < backup.ended_at_ms;
        if told.good.as_ref().is_none_or(newer) {
            let age_ms = backups.clock_ms.saturating_sub(backup.ended_at_ms);
            let age_ms = u64::try_from(age_ms).unwrap_or(0);
            told.good = Some(Good { backup, host, age_ms });
        }
        // Older ones of this stanza say nothing more.
        return;
    }
}

/// Why it does not count; `None`: it does.
fn flaw(stanza: &BackupStanza, backup: &Backup, clock_ms: i64) -> Option<String> {
    let repository = stanza.repositories.iter().find(|one| one.key == backup.repository);
    let (code, status) = repository.map_or((stanza.status_code, &stanza.status), |repository| {
        (repository.status_code, &repository.status)
    });
    let ahead_ms = backup.ended_at_ms.saturating_sub(clock_ms);
    if code != 0 {
        return Some(format!("is in a repository with a trouble: {}", first_line(status)));
    }
    if ahead_ms > CLOCK_LIMIT_MS {
        let ahead = sizes::age(u64::try_from(ahead_ms).unwrap_or(0));
        return Some(format!("ended {ahead} in the future: the clocks differ"));
    }
    match backup.damaged {
        Some(false) => None,
        Some(true) => Some("has damaged pages, or rests on one that has".to_owned()),
        None => Some("does not say whether its pages are whole".to_owned()),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// "; not counted: a; b; and 3 more".
fn listed(flaws: &[String]) -> String {
    let shown = flaws.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
    match flaws.len().saturating_sub(TOLD) {
        0 if flaws.is_empty() => String::new(),
        0 => format!("; not counted: {shown}"),
        more => format!("; not counted: {shown}; and {more} more"),
    }
}
