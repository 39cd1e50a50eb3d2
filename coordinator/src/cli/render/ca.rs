//! The way of a site to another authority.

use bellows_proto::v1::Rotation;

use crate::cli::{
    page::{Page, Table, Tone},
    text::date_time,
};

/// What a phase is, in a line; `phase` as in the message.
fn phase(phase: &str) -> &'static str {
    match phase {
        "trust" => "hosts learn to trust the new authority beside the old one",
        "issue" => "hosts and users get certificates of the new authority; both are trusted",
        "retire" => {
            "the old authority is taken away: only forward from here, and it ends by itself"
        }
        "back" => {
            "going back: hosts and users get certificates of the old authority; both are trusted"
        }
        "drop" => "going back: the new authority is taken away; it ends by itself",
        "none" => "one authority, no rotation",
        _ => "a phase that this command line does not know",
    }
}

/// What a step does, before somebody agrees to it. `next` is the phase that comes next.
pub fn means(step: &str, next: &str) -> &'static str {
    match (step, next) {
        ("start", _) => {
            "A new authority is made, and every host learns to trust it. Nothing else changes yet."
        }
        ("back", _) => "The site goes back to its old authority.",
        (_, "issue") => {
            "From now on the new authority signs: every host gets a new key and certificate."
        }
        (_, "retire") => {
            "The old authority is taken away: what it signed is refused from now on. There is no way back after this."
        }
        (_, "drop") => "The new authority is taken away: what it signed is refused from now on.",
        (..) => "The rotation ends.",
    }
}

/// Phase, what is in the way of the next, and what to type.
pub fn status(page: &mut Page, rotation: &Rotation) {
    let zone = page.look().zone.clone();
    let Rotation { hosts, users, own_lacks, next, .. } = rotation;
    page.line(Tone::Strong, &format!("{}: {}", rotation.phase, phase(&rotation.phase)));
    if rotation.phase == "none" {
        page.line(Tone::Quiet, "bellows ca rotate start begins one");
        return;
    }
    let since = date_time(rotation.since_ms, &zone);
    let short = |text: &str| text.get(..16).unwrap_or(text).to_owned();
    let (old, new) = (short(&rotation.old_authority), short(&rotation.new_authority));
    let text = format!("since {since}, begun by {}; from {old} to {new}", rotation.started_by);
    page.line(Tone::Quiet, &text);
    let mut table = Table::new(&["HOST", "STATE", "LAST SEEN", "WHY"]);
    for host in hosts {
        let seen = match host.last_seen_at_ms {
            0 => "never".to_owned(),
            at => date_time(at, &zone),
        };
        let (tone, state) = match host.lacks.as_str() {
            "" => (Tone::Plain, "as far as this phase"),
            lacks => (Tone::Strong, lacks),
        };
        table.row(tone, &[&host.host, state, &seen, &host.why]);
    }
    page.table(0, &table);
    for user in users {
        let until = date_time(user.valid_until_ms, &zone);
        let text = format!(
            "user {} ({}): the certificate is of the other authority, valid until {until}: bellows access \
             issue makes another one, bellows access revoke ends this one",
            user.name, user.role
        );
        page.line(Tone::Strong, &text);
    }
    if !own_lacks.is_empty() {
        page.line(Tone::Strong, &format!("the coordinator itself: {own_lacks}"));
    }
    let waits = hosts.iter().filter(|host| !host.lacks.is_empty()).count();
    let text = if matches!(rotation.phase.as_str(), "retire" | "drop") {
        format!("It ends by itself when nothing is left: {waits} hosts to go.")
    } else if rotation.ready {
        format!("Everybody is as far. Next: bellows ca rotate next ({next})")
    } else {
        "It waits for those above, as long as it takes. A host that never comes back: bellows host revoke or \
         bellows host remove."
            .to_owned()
    };
    page.line(Tone::Plain, &text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::{Access, RotationHost};

    fn shown(rotation: &Rotation) -> String {
        let mut page = Page::new(&Look::plain());
        status(&mut page, rotation);
        page.into_text()
    }

    #[test]
    fn who_is_in_the_way_and_what_comes_next() {
        let host = |name: &str, lacks: &str, why: &str| RotationHost {
            host: name.into(),
            lacks: lacks.into(),
            why: why.into(),
            last_seen_at_ms: 1_800_000_000_000,
        };
        let held = Rotation {
            phase: "issue".into(),
            since_ms: 1_800_000_000_000,
            started_by: "alice (admin)".into(),
            old_authority: "ab".repeat(32),
            new_authority: "cd".repeat(32),
            hosts: vec![
                host("h1", "", ""),
                host("h2", "its certificate is of the other authority", "off"),
            ],
            users: vec![Access { name: "bob".into(), role: "viewer".into(), ..Access::default() }],
            next: "retire".into(),
            ..Rotation::default()
        };
        let text = shown(&held);
        for part in
            ["issue: hosts", "h2", "other authority", "off", "user bob (viewer)", "host revoke"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let ready =
            Rotation { hosts: vec![host("h1", "", "")], users: vec![], ready: true, ..held };
        assert!(shown(&ready).contains("bellows ca rotate next (retire)"), "{}", shown(&ready));
        let none = Rotation { phase: "none".into(), next: "trust".into(), ..Rotation::default() };
        assert!(shown(&none).contains("bellows ca rotate start"));
    }
}
