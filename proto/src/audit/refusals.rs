//! Refused calls on their way to a log: whoever may not do a thing must not fill the log with
//! asking for it.

use crate::v1::AuditAnswer;

/// A refusal like the one before is counted, not written, for so long, milliseconds.
const SAME_MS: u64 = 60_000;
/// So many are written in a minute.
const PER_MINUTE: u32 = 30;

/// Decides which refusals are written.
#[derive(Debug, Default)]
pub struct Refusals {
    last: Option<(AuditAnswer, i64)>,
    minute: i64,
    written: u32,
    not_written: u64,
}

impl Refusals {
    /// The refusal as it is to be written, with how many were not since the last one; `None`: it
    /// is counted only.
    pub fn take(&mut self, refusal: AuditAnswer, now_ms: i64) -> Option<AuditAnswer> {
        let minute = now_ms.div_euclid(60_000);
        if minute != self.minute {
            (self.minute, self.written) = (minute, 0);
        }
        let same = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| *last == refusal && now_ms.abs_diff(*at) < SAME_MS);
        if same || self.written >= PER_MINUTE {
            self.not_written += 1;
            return None;
        }
        self.written += 1;
        self.last = Some((refusal.clone(), now_ms));
        let not_written = std::mem::take(&mut self.not_written);
        Some(AuditAnswer { not_written, ..refusal })
    }
}
