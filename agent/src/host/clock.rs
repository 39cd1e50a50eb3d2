//! The real clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;

use super::Clock;

/// The machine's clock and random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        // Since boot, with the time in which the machine was suspended: a reading is older by that.
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            u64::try_from(since.tv_sec).unwrap_or(0),
            u32::try_from(since.tv_nsec).unwrap_or(0),
        )
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    #[cfg(feature = "program")]
    fn utc_offset_s(&self, at_ms: i64) -> i32 {
        let zone = jiff::tz::TimeZone::system();
        jiff::Timestamp::from_millisecond(at_ms).map_or(0, |at| zone.to_offset(at).seconds())
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // The kernel's source does not fail after boot; a zero would only weaken jitter.
        let _ = getrandom::fill(&mut bytes);
        bytes
    }
}
