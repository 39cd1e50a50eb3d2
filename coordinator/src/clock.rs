//! The real clock and the real randomness behind the engine's `Clock` port. Knows nothing
//! else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::ports::Clock;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The machine's clock, tokio's timers and the kernel's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

/// Milliseconds since 1970 by the machine's clock; 0 for a clock before 1970.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

impl Clock for RealClock {
    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn elapsed(&self) -> Duration {
        // Since boot, with the time in which the machine was suspended.
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            u64::try_from(since.tv_sec).unwrap_or(0),
            u32::try_from(since.tv_nsec).unwrap_or(0),
        )
    }

    fn utc_offset_s(&self, at_ms: i64) -> i32 {
        let zone = jiff::tz::TimeZone::system();
        jiff::Timestamp::from_millisecond(at_ms).map_or(0, |at| zone.to_offset(at).seconds())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // Ids that repeat would break the promise that jobs run once: better no coordinator.
            tracing::error!("the kernel gives no random bytes");
            std::process::abort();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_bytes_differ() {
        let clock = RealClock;
        assert!(clock.now_ms() > 1_700_000_000_000);
        assert_ne!(clock.random(), clock.random());
    }
}
