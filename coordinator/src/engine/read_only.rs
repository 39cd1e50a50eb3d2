//! Whether changes are forbidden, and why: known to all that could make one, from the moment on
//! at which anybody hears of it.
//!
//! It is not stored. The next start asks the agents again, and they remember durably who leads;
//! a note of our own could only be older than what they say.

use std::sync::Arc;

use tokio::sync::watch;

/// Shared by whoever must obey it and whoever hears the reason first. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadOnly(Arc<watch::Sender<Option<String>>>);

impl Default for ReadOnly {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl ReadOnly {
    /// Why nothing may be changed; `None`: it may.
    pub fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Forbids changes. The first reason stays. `true`: they were not forbidden before.
    pub fn forbid(&self, reason: &str) -> bool {
        self.0.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| reason.to_owned());
            first
        })
    }

    /// Forbids, or allows, changes.
    pub fn set(&self, reason: Option<String>) {
        self.0.send_replace(reason);
    }

    /// Returns why, as soon as changes are forbidden.
    pub async fn forbidden(&self) -> String {
        let mut changes = self.0.subscribe();
        let told = changes.wait_for(Option::is_some).await.map(|reason| reason.clone());
        match told {
            Ok(reason) => reason.unwrap_or_default(),
            // The sender lives as long as this.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_hears_the_first_reason() {
        let read_only = ReadOnly::default();
        let other = read_only.clone();
        assert_eq!(other.reason(), None);
        assert!(read_only.forbid("a newer one was here") && !read_only.forbid("again"));
        assert_eq!(other.forbidden().await, "a newer one was here");
        other.set(None);
        assert_eq!(read_only.reason(), None);
    }
}
