//! The guard: a small process of its own that outlives a killed test or demo, and then ends
//! and removes all that is left of its site. It hears of the owner's end by the end of its
//! standard input, which no signal can prevent.

use std::{
    io::{BufRead as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Stdio},
};

use anyhow::{Context, Result};

use crate::{process, reap};

/// The guard's program, built with this crate.
pub const PROGRAM: &str = "bellows-site-guard";

/// A guard that waits. Dropped: it finds nothing left to do and ends.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Guard {
    /// Starts a guard over these folders.
    ///
    /// # Errors
    /// Its program is not there or cannot be started.
    pub fn over(folders: &[PathBuf]) -> Result<Self> {
        let mut command = process::command(process::built(PROGRAM)?).into_std();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut child = command.spawn().context("start the guard")?;
        let mut stdin = child.stdin.take().context("the guard's input")?;
        // Not by its command line: it would find itself.
        for folder in folders {
            writeln!(stdin, "{}", folder.display()).context("tell the guard its folders")?;
        }
        writeln!(stdin).context("tell the guard its folders")?;
        Ok(Self { child, stdin: Some(stdin) })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// What the guard's program does: reads its folders, one a line, up to an empty line; waits
/// for the end of its input; then reaps and removes.
///
/// # Errors
/// Its input cannot be read, or something could not be ended or removed.
pub fn watch() -> Result<()> {
    let mut folders = Vec::new();
    let mut told = false;
    for line in std::io::stdin().lock().lines() {
        let line = line.context("read the folders")?;
        told |= line.is_empty();
        if !told {
            folders.push(PathBuf::from(line));
        }
    }
    // An owner that died half-way through the list made nothing yet that would matter.
    if !told {
        return Ok(());
    }
    reap::reap_and_remove(&folders)
}
