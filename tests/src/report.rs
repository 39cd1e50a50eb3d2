//! The demo's report, in the form that every system's demo writes.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// `target/demo/report.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// As in `SYSTEM`: "postgresql", "kwdb".
    pub system: String,
    /// A double stood for the real system.
    pub double: bool,
    /// Members, as the system itself counts them.
    pub members: Members,
    /// How often `bellows serve` was killed.
    pub coordinator_kills: u32,
    /// Intents that were refused.
    pub refusals: Vec<Refused>,
    /// All operations, in the order in which they began.
    pub operations: Vec<Operation>,
    /// Rows that the client was told are written.
    pub acknowledged: usize,
    /// Acknowledged rows that a member does not have, summed over the members.
    pub missing: usize,
    /// Runs of the system's tools, as a wrapper around them counted.
    pub tool_runs: usize,
    /// Changing command lines that ran more often than their attempts in the journal explain.
    pub tool_runs_duplicated: usize,
}

/// Numbers of members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Members {
    /// After create, or after the adoption.
    pub start: usize,
    /// After the expand that the coordinator was killed in.
    pub after_expand: usize,
    /// After the expand that was cancelled.
    pub after_cancel: usize,
    /// After the shrink.
    pub after_shrink: usize,
    /// After a dead member was replaced.
    pub after_replace: usize,
}

/// A refusal by a guard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// e.g. "PG-07".
    pub code: String,
    /// The rule's name.
    pub rule: String,
    /// The value seen.
    pub value: String,
    /// What would mend it.
    pub remedy: String,
}

/// An operation at rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Operation {
    /// The intent's verb.
    pub kind: String,
    /// A rest state.
    pub outcome: String,
    /// From its start to its rest, to a tenth.
    pub seconds: f64,
    /// Steps of its plan.
    pub steps: usize,
}

impl Report {
    /// Whether all that the demo promises held.
    ///
    /// # Errors
    /// Something did not; the error names all of it.
    pub fn holds(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        let Members { start, after_expand, after_cancel, after_shrink, after_replace } =
            &self.members;
        must(
            *after_expand == start + 1,
            format!("{after_expand} members after the expand, {start} before"),
        );
        must(
            after_cancel == after_expand,
            format!("{after_cancel} members after the cancelled expand"),
        );
        must(after_shrink + 1 == *after_cancel, format!("{after_shrink} members after the shrink"));
        must(after_replace == after_shrink, format!("{after_replace} members after the replace"));
        must(self.coordinator_kills >= 1, "the coordinator was not killed".to_owned());
        must(!self.refusals.is_empty(), "nothing was refused".to_owned());
        for refused in &self.refusals {
            let told = [&refused.code, &refused.rule, &refused.value, &refused.remedy];
            must(
                told.iter().all(|text| !text.is_empty()),
                format!("a refusal without words: {refused:?}"),
            );
        }
        // A cluster of another system is there before Bellows comes.
        let begins = if self.system == "postgresql" { "create" } else { "adopt" };
        for (kind, outcome) in [
            (begins, "done"),
            ("expand", "done"),
            ("expand", "cancelled"),
            ("shrink", "done"),
            ("replace", "done"),
        ] {
            let seen = self.operations.iter().any(|one| one.kind == kind && one.outcome == outcome);
            must(seen, format!("no {kind} that rests as {outcome}"));
        }
        for one in &self.operations {
            let rests =
                matches!(one.outcome.as_str(), "done" | "undone" | "cancelled" | "abandoned");
            must(
                rests && one.steps > 0,
                format!("the {} rests as {} after {} steps", one.kind, one.outcome, one.steps),
            );
        }
        must(self.acknowledged >= 100, format!("only {} acknowledged rows", self.acknowledged));
        must(self.missing == 0, format!("{} acknowledged rows are missing", self.missing));
        must(self.tool_runs > 0, "no tool ran".to_owned());
        must(
            self.tool_runs_duplicated == 0,
            format!("{} tool runs are duplicates", self.tool_runs_duplicated),
        );
        if !wrong.is_empty() {
            bail!("{}", wrong.join("; "));
        }
        Ok(())
    }

    /// Writes it as JSON. Folders are made as needed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("folder {}", folder.display()))?;
        }
        let mut text = serde_json::to_string_pretty(self).context("the report as JSON")?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    fn good() -> Report {
        let operation = |kind: &str, outcome: &str| Operation {
            kind: kind.to_owned(),
            outcome: outcome.to_owned(),
            seconds: 1.5,
            steps: 3,
        };
        Report {
            system: "postgresql".to_owned(),
            members: Members {
                start: 3,
                after_expand: 4,
                after_cancel: 4,
                after_shrink: 3,
                after_replace: 3,
            },
            coordinator_kills: 1,
            refusals: vec![Refused {
                code: "PG-10".to_owned(),
                rule: "minimum members".to_owned(),
                value: "2".to_owned(),
                remedy: "add a node first".to_owned(),
            }],
            operations: vec![
                operation("create", "done"),
                operation("expand", "done"),
                operation("expand", "cancelled"),
                operation("shrink", "done"),
                operation("replace", "done"),
            ],
            acknowledged: 100,
            tool_runs: 40,
            ..Report::default()
        }
    }

    #[test]
    fn the_form_is_the_agreed_one() {
        let json = serde_json::to_string(&good()).unwrap();
        assert!(json.starts_with(
            r#"{"system":"postgresql","double":false,"members":{"start":3,"after_expand":4,"after_cancel":4,"after_shrink":3,"after_replace":3},"coordinator_kills":1,"refusals":[{"code":"PG-10","rule":"minimum members","value":"2","remedy":"add a node first"}],"operations":[{"kind":"create","outcome":"done","seconds":1.5,"steps":3}"#
        ));
        assert!(json.ends_with(
            r#""acknowledged":100,"missing":0,"tool_runs":40,"tool_runs_duplicated":0}"#
        ));
    }

    #[test]
    fn a_cluster_that_others_make_is_adopted() {
        for (system, double) in [("kwdb", true), ("bookkeeper", false)] {
            let mut report = Report { system: system.to_owned(), double, ..good() };
            let error = report.holds().unwrap_err().to_string();
            assert_eq!(error, "no adopt that rests as done");
            report.operations[0].kind = "adopt".to_owned();
            report.holds().unwrap();
        }
    }

    #[test]
    fn whatever_does_not_hold_is_named() {
        good().holds().unwrap();
        type Spoil = fn(&mut Report);
        let spoil: [(Spoil, &str); 6] = [
            (|report| report.members.after_cancel = 5, "5 members after the cancelled"),
            (|report| report.missing = 1, "1 acknowledged rows are missing"),
            (|report| report.tool_runs_duplicated = 2, "2 tool runs"),
            (|report| report.refusals[0].remedy.clear(), "without words"),
            (|report| report.operations[2].outcome = "held".to_owned(), "rests as held"),
            (|report| report.coordinator_kills = 0, "not killed"),
        ];
        for (spoil, words) in spoil {
            let mut report = good();
            spoil(&mut report);
            let error = report.holds().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
