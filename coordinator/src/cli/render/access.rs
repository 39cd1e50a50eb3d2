//! Certificates of users.

use bellows_proto::v1::{Access, RevokeAccessReply};

use crate::cli::{
    page::{Page, Table, Tone},
    text::date_time,
};

/// A table of certificates; why one was revoked stands below it.
pub fn list(page: &mut Page, all: &[Access]) {
    if all.is_empty() {
        page.line(Tone::Plain, "There are none: bellows access issue NAME makes one.");
        return;
    }
    let zone = page.look().zone.clone();
    let mut table = Table::new(&["NAME", "ROLE", "VALID UNTIL", "STATE", "KEY"]);
    for one in all {
        let revoked = one.revoked_at_ms != 0;
        let (tone, state) = if revoked { (Tone::Quiet, "revoked") } else { (Tone::Plain, "valid") };
        let until = date_time(one.valid_until_ms, &zone);
        table.row(tone, &[&one.name, &one.role, &until, state, &one.key]);
    }
    page.table(0, &table);
    for one in all.iter().filter(|one| one.revoked_at_ms != 0) {
        let at = date_time(one.revoked_at_ms, &zone);
        let key = one.key.get(..12).unwrap_or_default();
        let text =
            format!("{} ({key}): revoked {at} by {}: {}", one.name, one.revoked_by, one.reason);
        page.line(Tone::Quiet, &text);
    }
}

/// What a revocation means.
pub fn revoked(page: &mut Page, reply: &RevokeAccessReply) {
    let one = reply.revoked.clone().unwrap_or_default();
    let text = format!(
        "The certificate of {} ({}) is not accepted any more: its next call is refused.",
        one.name, one.role
    );
    page.line(Tone::Plain, &text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;

    #[test]
    fn who_has_one_and_why_one_has_none_any_more() {
        let alice = Access {
            name: "alice".into(),
            role: "operator".into(),
            key: "ab".repeat(32),
            valid_until_ms: 1_800_000_000_000,
            ..Access::default()
        };
        let bob = Access {
            name: "bob".into(),
            revoked_at_ms: 1_790_000_000_000,
            revoked_by: "root".into(),
            reason: "laptop lost".into(),
            ..alice.clone()
        };
        let mut page = Page::new(&Look::plain());
        list(&mut page, &[alice, bob]);
        let text = page.into_text();
        assert!(text.contains("alice  operator  2027-01-15 08:00:00  valid"), "{text}");
        assert!(text.contains("bob (abababababab): revoked 2026-09-21"), "{text}");
        assert!(text.contains("by root: laptop lost"), "{text}");
    }
}
