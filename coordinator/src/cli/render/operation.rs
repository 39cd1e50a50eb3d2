//! Operations: the list, one in full, and how one came to rest.

use bellows_proto::v1::{OperationDetail, OperationSummary, Remarks};

use super::watch::View;
use crate::cli::{
    page::{Page, Table, Tone},
    text::{date_time, duration},
    words,
};

/// A table of operations.
pub fn list(page: &mut Page, operations: &[OperationSummary]) {
    if operations.is_empty() {
        page.line(Tone::Plain, "There are no operations.");
        return;
    }
    let zone = page.look().zone.clone();
    let mut table = Table::new(&[
        "OPERATION",
        "CLUSTER",
        "KIND",
        "STATE",
        "STEP",
        "BEGAN",
        "TOOK",
        "TICKET",
        "BY",
    ]);
    for one in operations {
        let began = date_time(one.started_at_ms, &zone);
        table.row(
            tone(&one.state),
            &[
                &one.operation,
                &one.cluster,
                &one.kind,
                &words::state(one),
                &format!("{}/{}", one.step, one.steps),
                &began,
                &took(one),
                one.remarks.as_ref().map_or("", |said| &said.ticket),
                &one.principal,
            ],
        );
    }
    page.table(0, &table);
    operations.iter().for_each(|one| damage(page, &format!("{}: ", one.operation), one));
}

/// What is wrong with its record, and what to do; nothing where nothing is.
pub fn damage(page: &mut Page, before: &str, one: &OperationSummary) {
    if one.damage.is_empty() {
        return;
    }
    let text = format!("{before}its record is damaged: ");
    page.spans(&[(Tone::Bad, &text), (Tone::Plain, &one.damage)]);
    if !one.damage_remedy.is_empty() {
        page.line(Tone::Plain, &format!("  do: {}", one.damage_remedy));
    }
}

fn tone(state: &str) -> Tone {
    match state {
        "held" => Tone::Bad,
        "running" | "undoing" => Tone::Strong,
        _ => Tone::Plain,
    }
}

fn took(one: &OperationSummary) -> String {
    match u64::try_from(one.ended_at_ms - one.started_at_ms) {
        Ok(ms) if one.ended_at_ms > 0 => duration(ms),
        Ok(_) | Err(_) => String::new(),
    }
}

/// One line about an operation.
pub fn summary(page: &mut Page, one: &OperationSummary) {
    page.spans(&[
        (Tone::Strong, &one.operation),
        (Tone::Plain, &format!("  {} {}  ", one.kind, one.cluster)),
        (tone(&one.state), &words::state(one)),
        (Tone::Quiet, &format!("  step {}/{} {}", one.step, one.steps, one.step_title)),
    ]);
}

/// What the administrator said of an operation or a plan, a line each.
pub fn remarks(page: &mut Page, before: &str, said: &Remarks) {
    for (name, text) in [("ticket", &said.ticket), ("note", &said.note)] {
        if !text.is_empty() {
            page.line(Tone::Plain, &format!("{before}{name} {text}"));
        }
    }
}

/// One operation with all its events.
pub fn detail(page: &mut Page, detail: &OperationDetail) {
    if let Some(one) = &detail.summary {
        summary(page, one);
        let began = date_time(one.started_at_ms, &page.look().zone);
        page.line(Tone::Plain, &format!("  began {began}, asked for by {}", one.principal));
        if one.ended_at_ms > 0 {
            page.line(Tone::Plain, &format!("  took {}", took(one)));
        }
        if let Some(said) = &one.remarks {
            remarks(page, "  ", said);
        }
        damage(page, "  ", one);
        page.gap();
    }
    let mut view = View::default();
    for event in &detail.events {
        view.event(page, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::HoldCause;

    #[test]
    fn damage_is_told_with_what_to_do() {
        let one = OperationSummary {
            operation: "01932c07".into(),
            cluster: "orders".into(),
            state: "held".into(),
            hold_cause: HoldCause::Decision.into(),
            damage: "event 3 is missing".into(),
            damage_remedy: "restore the store".into(),
            ..OperationSummary::default()
        };
        let mut page = Page::new(&Look::plain());
        list(&mut page, std::slice::from_ref(&one));
        detail(&mut page, &OperationDetail { summary: Some(one), ..OperationDetail::default() });
        insta::assert_snapshot!(page.into_text(), @r"
        OPERATION  CLUSTER  KIND  STATE                  STEP  BEGAN  TOOK  TICKET  BY
        01932c07   orders   -     held (damaged record)  0/0   -      -     -       -
        01932c07: its record is damaged: event 3 is missing
          do: restore the store
        01932c07   orders  held (damaged record)  step 0/0 
          began -, asked for by 
          its record is damaged: event 3 is missing
          do: restore the store
        ");
    }

    #[test]
    fn operations_in_a_table() {
        let one = OperationSummary {
            operation: "01932c07-7d5b-7000-8000-000000000001".into(),
            cluster: "orders".into(),
            kind: "expand".into(),
            state: "held".into(),
            hold_cause: HoldCause::Failed.into(),
            step: 4,
            steps: 12,
            started_at_ms: 1_700_000_000_000,
            principal: "root (unix socket)".into(),
            ..OperationSummary::default()
        };
        let said = Remarks { ticket: "CHG-4711".into(), note: "one more standby".into() };
        let one = OperationSummary { remarks: Some(said), ..one };
        let done = OperationSummary {
            remarks: None,
            state: "done".into(),
            hold_cause: 0,
            ended_at_ms: 1_700_000_090_000,
            ..one.clone()
        };
        let mut page = Page::new(&Look::plain());
        list(&mut page, &[one, done]);
        insta::assert_snapshot!(page.into_text(), @r"
        OPERATION                             CLUSTER  KIND    STATE          STEP  BEGAN                TOOK        TICKET    BY
        01932c07-7d5b-7000-8000-000000000001  orders   expand  held (failed)  4/12  2023-11-14 22:13:20  -           CHG-4711  root (unix socket)
        01932c07-7d5b-7000-8000-000000000001  orders   expand  done           4/12  2023-11-14 22:13:20  1 min 30 s  -         root (unix socket)
        ");
    }
}
