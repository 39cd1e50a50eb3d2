//! Agents that are to be upgraded, and that were.

use bellows_proto::{
    digest,
    v1::{PlannedUpgrade, Program, UpgradePlan, UpgradeReport, UpgradedHost},
};

use super::fault;
use crate::{
    cli::{
        page::{Page, Table, Tone},
        words,
    },
    upgrade::outcome,
};

/// Characters of a digest that are shown: two builds of one version are told apart by them.
const SHORT: usize = 12;

/// "0.1.0 3f0c2ab91d44"; empty: not known.
pub fn program(program: Option<&Program>) -> String {
    let Some(program) = program else { return String::new() };
    let hex = digest::hex(&program.digest);
    format!("{} {}", program.version, hex.get(..SHORT).unwrap_or(&hex)).trim().to_owned()
}

/// Who gets what, in which ring.
pub fn plan(page: &mut Page, plan: &UpgradePlan) {
    let mut table = Table::new(&["RING", "HOST", "RUNS", "GETS", "JOBS"]);
    for one in &plan.hosts {
        let (ring, tone) = match (one.ring, &one.skipped) {
            (0, Some(_)) => (String::new(), Tone::Warn),
            (0, None) => (String::new(), Tone::Quiet),
            (ring, _) => (ring.to_string(), Tone::Plain),
        };
        let jobs = if one.running_jobs == 0 { String::new() } else { one.running_jobs.to_string() };
        let runs = program(one.running.as_ref());
        table.row(tone, &[&ring, &one.host, &runs, &gets(one), &jobs]);
    }
    page.table(0, &table);
    for one in &plan.hosts {
        if let Some(seen) = &one.skipped {
            fault::fault(page, "", &seen.clone().at(&one.host));
        }
    }
    let count = plan.hosts.iter().filter(|one| one.ring > 0).count();
    if let Some(options) = plan.options.filter(|_| count > 0) {
        let healthy = options.healthy_s.unwrap_or_default();
        let text = format!(
            "{} in rings; each ring must answer for {healthy} s before the next. A host takes the new agent back if it does not answer within {} s.",
            words::count(count, "host"),
            options.within_s
        );
        page.line(Tone::Plain, &text);
    }
}

fn gets(one: &PlannedUpgrade) -> String {
    match (&one.to, one.there_already) {
        (Some(to), _) => program(Some(to)),
        (None, true) => "runs it already".to_owned(),
        (None, false) => "nothing".to_owned(),
    }
}

/// What became of each host, then why.
pub fn report(page: &mut Page, report: &UpgradeReport) {
    let mut table = Table::new(&["HOST", "OUTCOME", "BEFORE", "RUNS NOW"]);
    for host in &report.hosts {
        let (before, now) = (program(host.before.as_ref()), program(host.running.as_ref()));
        table.row(tone(host), &[&host.host, &host.outcome, &before, &now]);
    }
    page.table(0, &table);
    for host in &report.hosts {
        if let Some(seen) = &host.fault {
            fault::fault(page, "", &seen.clone().at(&host.host));
        }
    }
}

fn tone(host: &UpgradedHost) -> Tone {
    match host.outcome.as_str() {
        outcome::UPGRADED => Tone::Good,
        outcome::THERE => Tone::Plain,
        outcome::SKIPPED | outcome::NOT_TRIED => Tone::Warn,
        _ => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::{Fault, FaultCode, UpgradeOptions};

    fn of(version: &str, digest: u8) -> Option<Program> {
        Some(Program { version: version.into(), digest: vec![digest; 32], path: String::new() })
    }

    #[test]
    fn who_gets_what_and_what_became_of_it() {
        let host = |host: &str, ring, to: Option<Program>| PlannedUpgrade {
            host: host.into(),
            running: of("0.1.0", 0xa1),
            to,
            ring,
            ..PlannedUpgrade::default()
        };
        let away = || Fault::new(FaultCode::Unreachable, "it is away").remedy("look at it");
        let hosts = vec![
            PlannedUpgrade { running_jobs: 2, ..host("db1", 1, of("0.2.0", 0xb2)) },
            host("db2", 2, of("0.2.0", 0xb2)),
            PlannedUpgrade { there_already: true, ..host("db3", 0, None) },
            PlannedUpgrade { skipped: Some(away()), running: None, ..host("db4", 0, None) },
        ];
        let options =
            UpgradeOptions { healthy_s: Some(30), within_s: 40, ..UpgradeOptions::default() };
        let mut page = Page::new(&Look::plain());
        plan(&mut page, &UpgradePlan { hosts, options: Some(options) });
        page.line(Tone::Plain, "");
        let over = |host: &str, outcome: &str, now, fault| UpgradedHost {
            host: host.into(),
            outcome: outcome.into(),
            before: of("0.1.0", 0xa1),
            running: now,
            fault,
            ring: 1,
        };
        let broken = Fault::new(FaultCode::ToolFailed, "version 0.2.0: it did not answer in time");
        let hosts = vec![
            over("db1", outcome::UPGRADED, of("0.2.0", 0xb2), None),
            over("db2", outcome::BACK, of("0.1.0", 0xa1), Some(broken.remedy("see its log"))),
            over("db4", outcome::UNKNOWN, None, Some(away())),
        ];
        report(&mut page, &UpgradeReport { hosts });
        insta::assert_snapshot!(page.into_text());
    }
}
