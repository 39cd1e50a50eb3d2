//! Faults and refusals: what was wrong, what Bellows saw, what to do.

use bellows_proto::v1::{Fault, Refusal};

use crate::cli::page::{Page, Tone};

/// A fault in full, indented below what it belongs to.
pub fn fault(page: &mut Page, indent: &str, fault: &Fault) {
    page.spans(&[(Tone::Plain, indent), (Tone::Bad, &one_line(fault))]);
    details(page, indent, fault);
}

/// What follows the message: the tool's command, the end of its words, what to do.
pub fn details(page: &mut Page, indent: &str, fault: &Fault) {
    if !fault.command.is_empty() {
        let status = match fault.exit_status {
            Some(status) => format!(" (exit status {status})"),
            None => String::new(),
        };
        let command = fault.command.join(" ");
        page.line(Tone::Plain, &format!("{indent}  command: {command}{status}"));
    }
    for line in fault.stderr_tail.lines().rev().take(8).collect::<Vec<_>>().into_iter().rev() {
        page.line(Tone::Quiet, &format!("{indent}  | {line}"));
    }
    if !fault.remedy.is_empty() {
        page.line(Tone::Plain, &format!("{indent}  do: {}", fault.remedy));
    }
}

/// Host and message.
pub fn one_line(fault: &Fault) -> String {
    if fault.host.is_empty() || fault.message.contains(&fault.host) {
        fault.message.clone()
    } else {
        format!("{}: {}", fault.host, fault.message)
    }
}

/// Every guard that said no.
pub fn refusals(page: &mut Page, refusals: &[Refusal]) {
    for refusal in refusals {
        page.spans(&[
            (Tone::Bad, "refused"),
            (Tone::Plain, " by "),
            (Tone::Strong, &format!("{} {}", refusal.code, refusal.rule)),
            (Tone::Plain, &place(refusal)),
        ]);
        page.line(Tone::Plain, &format!("  saw: {}", refusal.value));
        page.line(Tone::Plain, &format!("  do:  {}", refusal.remedy));
    }
}

fn place(refusal: &Refusal) -> String {
    match (refusal.node.as_str(), refusal.host.as_str()) {
        ("", "") => String::new(),
        ("", host) => format!(" at host {host}"),
        (node, "") => format!(" for node {node}"),
        (node, host) => format!(" for node {node} at host {host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;

    #[test]
    fn a_fault_says_what_was_wrong_seen_and_to_do() {
        let mut page = Page::new(&Look::plain());
        fault(
            &mut page,
            "  ",
            &Fault {
                message: "repmgr standby clone failed".into(),
                host: "h4".into(),
                command: vec!["/usr/bin/repmgr".into(), "standby".into(), "clone".into()],
                exit_status: Some(6),
                stderr_tail: "ERROR: no\u{1b}[1m room\n".into(),
                remedy: "free disk space on h4, then retry".into(),
                ..Fault::default()
            },
        );
        insta::assert_snapshot!(page.into_text(), @r"
        h4: repmgr standby clone failed
          command: /usr/bin/repmgr standby clone (exit status 6)
          | ERROR: no\u{1b}[1m room
          do: free disk space on h4, then retry
        ");
    }

    #[test]
    fn a_refusal_names_rule_value_and_remedy() {
        let mut page = Page::new(&Look::plain());
        refusals(
            &mut page,
            &[Refusal {
                code: "PG-09".into(),
                rule: "minimum members".into(),
                value: "2 members would be left, the minimum is 3".into(),
                remedy: "expand first, or lower min_members".into(),
                node: "pg3".into(),
                host: String::new(),
            }],
        );
        insta::assert_snapshot!(page.into_text(), @r"
        refused by PG-09 minimum members for node pg3
          saw: 2 members would be left, the minimum is 3
          do:  expand first, or lower min_members
        ");
    }
}
