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

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // The kernel's source does not fail after boot; a zero would only weaken jitter.
        let _ = getrandom::fill(&mut bytes);
        bytes
    }
}
