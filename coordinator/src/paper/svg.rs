//! Members as a small drawing: who leads on top, who follows below. It has no colours of its own: the
//! page around it has.

use std::{collections::BTreeSet, fmt::Write as _};

use bellows_proto::v1::MemberView;

use super::html::escaped;

/// Boxes beside each other.
const COLUMNS: usize = 4;
const WIDTH: usize = 168;
const HEIGHT: usize = 64;
const GAP: usize = 16;
/// Room for the lines between who leads and who follows.
const DROP: usize = 36;
/// A longer text is cut in the drawing; the table beside it has it whole.
const LONGEST: usize = 22;

/// How members are told apart from those of the other drawing.
#[derive(Clone, Copy)]
pub(super) enum Other<'a> {
    /// These are there before: what is not among them is new.
    Before(&'a [MemberView]),
    /// These are there after: what is not among them leaves.
    After(&'a [MemberView]),
}

/// A drawing of members, with a label for those who cannot see it.
pub(super) fn svg(label: &str, members: &[MemberView], other: Other<'_>) -> String {
    let leads = |view: &&MemberView| matches!(view.role.as_str(), "primary" | "leader");
    let leaders: Vec<&MemberView> = members.iter().filter(leads).collect();
    let others: Vec<&MemberView> = members.iter().filter(|view| !leads(view)).collect();
    let columns = others.len().clamp(1, COLUMNS).max(leaders.len().clamp(1, COLUMNS));
    let width = columns * (WIDTH + GAP) + GAP;
    let rows = others.len().div_ceil(COLUMNS);
    let top = if leaders.is_empty() { 0 } else { HEIGHT + DROP };
    let height = GAP + top + rows * (HEIGHT + GAP) + GAP;
    let mut out = format!(
        "<svg class=\"topology\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" xmlns=\"http://www.w3.org/2000/svg\">\n",
        escaped(label)
    );
    let known: BTreeSet<&str> = match other {
        Other::Before(views) | Other::After(views) => {
            views.iter().map(|view| view.node.as_str()).collect()
        }
    };
    let class = |view: &MemberView| match (known.contains(view.node.as_str()), other) {
        (true, _) => "stays",
        (false, Other::Before(_)) => "new",
        (false, Other::After(_)) => "gone",
    };
    let lead_at =
        |at: usize| (width - leaders.len() * (WIDTH + GAP) + GAP) / 2 + at * (WIDTH + GAP);
    let follow_at = |at: usize| {
        let in_row = (others.len() - at / COLUMNS * COLUMNS).min(COLUMNS);
        let left = (width + GAP - in_row * (WIDTH + GAP)) / 2;
        (left + at % COLUMNS * (WIDTH + GAP), GAP + top + at / COLUMNS * (HEIGHT + GAP))
    };
    if let [_] = leaders.as_slice() {
        for at in 0..others.len() {
            let (x, y) = follow_at(at);
            let (from, to) = (lead_at(0) + WIDTH / 2, x + WIDTH / 2);
            let (below, above) = (GAP + HEIGHT, GAP + HEIGHT + DROP / 2);
            let _ = writeln!(out, "<path class=\"link\" d=\"M{from} {below}V{above}H{to}V{y}\"/>");
        }
    }
    for (at, view) in leaders.iter().enumerate() {
        boxed(&mut out, view, lead_at(at), GAP, class(view));
    }
    for (at, view) in others.iter().enumerate() {
        let (x, y) = follow_at(at);
        boxed(&mut out, view, x, y, class(view));
    }
    out.push_str("</svg>\n");
    out
}

fn boxed(out: &mut String, view: &MemberView, x: usize, y: usize, class: &str) {
    let ill = if view.healthy { "" } else { " ill" };
    let leads = if view.role == "primary" { " leads" } else { "" };
    let middle = x + WIDTH / 2;
    let mut texts = String::new();
    for (class, at, text) in [
        ("name", 20, view.node.clone()),
        ("where", 38, view.host.clone()),
        ("what", 55, format!("{}, {}", view.role, view.state)),
    ] {
        let y = y + at;
        let _ = writeln!(
            texts,
            "<text class=\"{class}\" x=\"{middle}\" y=\"{y}\">{}</text>",
            escaped(&cut(&text))
        );
    }
    let _ = writeln!(
        out,
        "<rect class=\"box {class}{ill}{leads}\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" rx=\"6\"/>"
    );
    out.push_str(&texts);
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
