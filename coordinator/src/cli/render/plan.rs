//! A plan before it is agreed to: members before and after, steps with reason and undo,
//! what to know, the point of no return.

use bellows_proto::v1::{Act, Group, MemberView, Plan, Step, step::Kind};

use super::cluster::members;
use crate::cli::{
    page::{Page, Tone},
    text::{about, duration},
    words,
};
use crate::plan::expected_ms;

/// The whole plan.
pub fn plan(page: &mut Page, plan: &Plan) {
    let system = words::system(plan.system());
    let start = match plan.spec_version {
        0 => "a new cluster".to_owned(),
        version => format!("from spec version {version}"),
    };
    let title = format!("{} cluster {} ({system}, {start})", words::verb(plan), plan.cluster);
    page.spans(&[(Tone::Strong, "Plan: "), (Tone::Plain, &title)]);
    if let Some(said) = &plan.remarks {
        super::operation::remarks(page, "  ", said);
    }
    if !plan.again.is_empty() {
        page.line(Tone::Plain, &format!("  planned anew after operation {}", plan.again));
    }
    if let Some(window) = &plan.window {
        page.line(Tone::Plain, &format!("  window {window}, local time of the coordinator"));
    }
    topology(page, "Members now", &plan.before);
    topology(page, "Members after", &plan.after);
    page.gap();
    page.line(Tone::Strong, "Steps");
    for step in &plan.steps {
        one_step(page, step, 0, plan.point_of_no_return);
    }
    if !plan.notes.is_empty() {
        page.gap();
        page.line(Tone::Strong, "To know");
        for note in &plan.notes {
            let kind = words::note(note.kind());
            page.spans(&[(Tone::Warn, &format!("  {kind:<7} ")), (Tone::Plain, &note.text)]);
        }
    }
    page.gap();
    let expected = expected_ms(plan);
    if expected > 0 {
        let text = format!("{} (an estimate, no promise)", about(expected));
        page.spans(&[(Tone::Strong, "Expected to take: "), (Tone::Plain, &text)]);
    }
    point_of_no_return(page, plan);
}

fn topology(page: &mut Page, title: &str, views: &[MemberView]) {
    page.gap();
    page.line(Tone::Strong, title);
    if views.is_empty() {
        page.line(Tone::Quiet, "  none");
    } else {
        members(page, 2, views);
    }
}

fn one_step(page: &mut Page, step: &Step, depth: usize, point: u32) {
    let indent = " ".repeat(depth * 4);
    let kind = match &step.kind {
        Some(Kind::Check(_)) => "check",
        Some(Kind::Act(_)) => "act",
        Some(Kind::Wait(_)) => "wait",
        Some(Kind::Group(_)) => "group",
        None => "?",
    };
    let number = format!("{indent}{:>4}  {kind:<5}  ", step.number);
    let host = match &step.kind {
        Some(Kind::Act(act)) if !names(&step.title, &act.host) => format!("  at {}", act.host),
        Some(Kind::Act(_) | Kind::Check(_) | Kind::Wait(_) | Kind::Group(_)) | None => {
            String::new()
        }
    };
    let takes = match step.expected_ms {
        0 => String::new(),
        ms => format!("  ({})", about(ms)),
    };
    page.spans(&[
        (Tone::Quiet, &number),
        (Tone::Plain, &step.title),
        (Tone::Quiet, &host),
        (Tone::Quiet, &takes),
    ]);
    let below = " ".repeat(depth * 4 + 13);
    if !step.reason.is_empty() {
        page.line(Tone::Quiet, &format!("{below}why:  {}", step.reason));
    }
    match &step.kind {
        Some(Kind::Act(act)) => act_lines(page, &below, act, point != 0 && step.number >= point),
        Some(Kind::Wait(wait)) if wait.stall_ms > 0 => {
            let stall = duration(wait.stall_ms);
            page.line(
                Tone::Quiet,
                &format!("{below}held as stalled after {stall} without progress"),
            );
        }
        Some(Kind::Group(group)) => group_lines(page, &below, group, depth, point),
        Some(Kind::Wait(_) | Kind::Check(_)) | None => {}
    }
}

/// Whether a title names a host already.
fn names(title: &str, host: &str) -> bool {
    title.split_whitespace().any(|word| word == host)
}

fn act_lines(page: &mut Page, below: &str, act: &Act, past_return: bool) {
    if !act.summary.is_empty() {
        page.line(Tone::Quiet, &format!("{below}does: {}", act.summary));
    }
    for change in &act.changes {
        let tone = if change.starts_with('-') { Tone::Bad } else { Tone::Good };
        page.line(tone, &format!("{below}file: {change}"));
    }
    if past_return {
        page.line(Tone::Warn, &format!("{below}undo: none, past the point of no return"));
    } else if act.undo.is_empty() {
        page.line(Tone::Quiet, &format!("{below}undo: nothing to take back"));
    }
    for undo in act.undo.iter().filter(|_| !past_return) {
        let host = if undo.host == act.host { String::new() } else { format!(" at {}", undo.host) };
        page.line(Tone::Quiet, &format!("{below}undo: {}{host}", undo.summary));
    }
}

fn group_lines(page: &mut Page, below: &str, group: &Group, depth: usize, point: u32) {
    page.line(Tone::Quiet, &format!("{below}side by side, at most {} at once:", group.limit));
    for member in &group.members {
        one_step(page, member, depth + 1, point);
    }
}

fn point_of_no_return(page: &mut Page, plan: &Plan) {
    let point = plan.point_of_no_return;
    let titled = all_steps(plan).find(|step| step.number == point);
    match titled {
        Some(step) => {
            let text =
                format!("step {point} ({}): from there on there is only forward.", step.title);
            page.spans(&[(Tone::Warn, "Point of no return: "), (Tone::Plain, &text)]);
        }
        None => page.spans(&[
            (Tone::Good, "Point of no return: "),
            (Tone::Plain, "none; every step can be taken back."),
        ]),
    }
}

/// All steps, members of groups too.
pub fn all_steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.steps.iter().flat_map(|step| {
        let members = match &step.kind {
            Some(Kind::Group(group)) => group.members.as_slice(),
            Some(Kind::Check(_) | Kind::Act(_) | Kind::Wait(_)) | None => &[],
        };
        std::iter::once(step).chain(members)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{page::Look, render::samples};

    #[test]
    fn a_plan_says_all_that_must_be_agreed_to() {
        let mut page = Page::new(&Look::plain());
        plan(&mut page, &samples::plan());
        insta::assert_snapshot!(page.into_text());
    }

    #[test]
    fn past_the_point_of_no_return_no_undo_is_promised() {
        let mut sample = samples::plan();
        sample.point_of_no_return = 4;
        let mut page = Page::new(&Look::plain());
        plan(&mut page, &sample);
        let text = page.into_text();
        assert!(text.contains("Point of no return: step 4 (clone pg4 from pg1)"), "{text}");
        assert!(!text.contains("undo: empty the data directory"), "{text}");
        assert!(text.contains("undo: give the claim of pg4 back"), "{text}");
    }
}
