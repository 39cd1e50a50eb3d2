//! The demo: `make demo`. `SYSTEM` names the kind of cluster, `postgresql` by default,
//! `kwdb` or `bookkeeper`.

use std::{pin::Pin, process::ExitCode};

use anyhow::{Context, Result, bail};
use bellows_tests::{demo, report::Report};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let system = std::env::var("SYSTEM").unwrap_or_default();
    let show: fn() -> Show = match system.as_str() {
        "" | "postgresql" => || Box::pin(demo::postgresql()),
        "bookkeeper" => || Box::pin(demo::bookkeeper::play()),
        "kwdb" => || Box::pin(demo::kwdb::play()),
        _ => {
            eprintln!(
                "SYSTEM={system}: there is no demo for it; those that there are: postgresql, kwdb, bookkeeper"
            );
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let played = runtime
        .context("start the runtime")
        .and_then(|runtime| runtime.block_on(Box::pin(play(show))));
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A demo that plays.
type Show = Pin<Box<dyn Future<Output = Result<Report>>>>;

async fn play(show: fn() -> Show) -> Result<()> {
    let path = demo::report_path();
    // A report of an earlier run must not speak for this one.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("remove {}", path.display()));
        }
        _ => {}
    }
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let report: Report = tokio::select! {
        report = show() => report?,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    report.write(&path)?;
    report.holds()?;
    println!("All of it held. The report is in target/demo/report.json.");
    Ok(())
}
