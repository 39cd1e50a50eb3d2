//! Where the coordinator logs: journald under systemd, else standard error.

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Levels, e.g. "debug" or "bellows=debug,info".
pub const LEVELS: &str = "BELLOWS_LOG";

/// Starts logging. Once per process; a second call does nothing.
pub fn start() {
    let levels = std::env::var(LEVELS).unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(&levels).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let journald = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let _ = match journald {
        Some(journald) => registry.with(journald).try_init(),
        None => {
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
            registry.with(lines).try_init()
        }
    };
}
