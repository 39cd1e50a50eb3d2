//! What was played and how it ended: one line each as it happens, a table at the end.

use std::time::{Duration, Instant};

use crate::narrate::table;

/// One point that was played.
#[derive(Debug, Clone)]
pub struct Line {
    /// The group that it belongs to.
    pub group: &'static str,
    /// Its name.
    pub name: String,
    /// What happened; or why it did not end well.
    pub outcome: Result<String, String>,
    /// How long it took.
    pub took: Duration,
    /// It could be played; otherwise it failed for want of a ground, or is no point.
    pub hit: bool,
}

impl Line {
    /// A line for a point that began at `began`; tells it.
    pub fn tell(
        group: &'static str,
        name: &str,
        began: Instant,
        outcome: anyhow::Result<String>,
    ) -> Self {
        let line = Self {
            group,
            name: name.to_owned(),
            outcome: outcome.map_err(|error| format!("{error:#}")),
            took: began.elapsed(),
            hit: true,
        };
        let seconds = line.took.as_secs_f64();
        match &line.outcome {
            Ok(told) => println!("ok      {group}: {name}: {told}, {seconds:.1} s"),
            Err(why) => println!("FAILED  {group}: {name}, {seconds:.1} s\n{why}\n"),
        }
        line
    }
}

/// The table of all lines, then the totals.
pub fn summary(lines: &[Line], took: Duration) -> String {
    let short = |line: &Line| match &line.outcome {
        Ok(told) => told.clone(),
        Err(_) => "FAILED, see above".to_owned(),
    };
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let seconds = format!("{:.1}", line.took.as_secs_f64());
            vec![line.group.to_owned(), line.name.clone(), short(line), seconds]
        })
        .collect();
    let well = lines.iter().filter(|line| line.outcome.is_ok()).count();
    let failed = lines.len() - well;
    let hit = lines.iter().filter(|line| line.hit).count();
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    format!(
        "{}\nkill points: {hit} hit, {well} ended well\ntest result: {verdict}. {well} passed; {failed} failed; finished in {:.1} s",
        table(&["group", "point", "what happened", "s"], &rows),
        took.as_secs_f64()
    )
}
