//! Traps for tools: what a test does to a run of a tool, told to the wrapper around it by a file
//! of shell beside its log. A trap waits for one tool with some words on its command line (or in
//! its statement), and falls once, unless it is said otherwise.
//!
//! A run that is held tells its process id and goes on when it is let go: so a kill lands at a
//! known moment instead of by luck.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::process;

/// Which run of a tool. `words`: in this order within the statement and the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The host, from 0.
    pub host: usize,
    /// The tool's name.
    pub tool: &'static str,
    /// Parts of what it is told.
    pub words: &'static [&'static str],
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// It waits before it does anything.
    HoldBefore,
    /// It waits when all is done and only its exit status is missing.
    HoldAfter,
    /// It hangs, and ends when asked to.
    Hang,
    /// It hangs and does not heed TERM.
    HangIgnoringTerm,
    /// It prints 200 MB to standard output and as much to standard error, then does its work.
    Flood,
    /// It prints rubbish and ends with status 0, with nothing done.
    Rubbish,
    /// As [`Trick::Rubbish`], at each run.
    RubbishAlways,
    /// It leaves a child that holds its pipes, and does its work.
    Fork,
    /// It leaves a grandchild in a session of its own, and does its work.
    ForkAway,
}

/// A trap that is set. Taken away when dropped; a run that is held goes on then.
#[derive(Debug)]
pub struct Trap {
    file: PathBuf,
    marks: PathBuf,
}

/// Ids of processes that a trap's trick leaves behind have this in their command line.
pub const LEFT_BEHIND: &str = "86399";

impl Trap {
    /// Sets a trap for a run of a tool whose wrapper logs to `log`. One at a time for each log.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn set(log: &Path, run: Run, trick: Trick) -> Result<Self> {
        Self::within(Path::new("/"), log, run, trick)
    }

    /// As [`Trap::set`], for a host whose root is a folder of this machine. `log`: as its tools see
    /// it; the process ids that such a trap tells are the host's own.
    ///
    /// # Errors
    /// As [`Trap::set`].
    pub fn within(root: &Path, log: &Path, run: Run, trick: Trick) -> Result<Self> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).context("random bytes")?;
        let seen = log.with_extension(format!("marks-{:08x}", u32::from_le_bytes(random)));
        let marks = below(root, &seen);
        std::fs::create_dir(&marks).with_context(|| format!("folder {}", marks.display()))?;
        std::fs::set_permissions(&marks, std::fs::Permissions::from_mode(0o777))
            .context("mode of the marks")?;
        let mut file = below(root, log).into_os_string();
        file.push(".trap");
        let trap = Self { file: file.into(), marks };
        let fresh = trap.marks.join("trap");
        std::fs::write(&fresh, script(&seen, run, trick)).context("write a trap")?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o644))
            .context("mode of a trap")?;
        // By rename: a wrapper that reads it now must not read the half of it.
        std::fs::rename(&fresh, &trap.file)
            .with_context(|| format!("set {}", trap.file.display()))?;
        Ok(trap)
    }

    /// Waits until a tool has fallen into it, and returns its process id.
    ///
    /// # Errors
    /// None has within `limit`.
    pub async fn sprung(&self, limit: Duration) -> Result<i32> {
        let file = self.marks.join("pid");
        process::until("a tool falls into the trap", limit, || async { Ok(file.exists()) }).await?;
        let text = std::fs::read_to_string(&file).context("read the trap's mark")?;
        text.trim().parse().context("process id in the trap's mark")
    }

    /// Whether a tool has fallen into it.
    pub fn has_sprung(&self) -> bool {
        self.marks.join("pid").exists()
    }

    /// Lets a run that is held go on.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn release(&self) -> Result<()> {
        std::fs::write(self.marks.join("go"), "").context("let a tool go on")
    }
}

/// A path of a host whose root is this folder.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What the wrapper reads. `marks`: the folder as the tools see it.
fn script(marks: &Path, run: Run, trick: Trick) -> String {
    let marks = marks.display();
    let words: String = run.words.iter().map(|word| format!("*'{word}'")).collect();
    let told = format!("echo $$ >'{marks}/told.'$$; mv '{marks}/told.'$$ '{marks}/pid'");
    let wait =
        format!("{told}; while [ ! -e '{marks}/go' ] && [ -d '{marks}' ]; do sleep 0.02; done");
    let flood = "yes 'a flood of words that nobody asked for' | head -c 200000000";
    let once = if trick == Trick::RubbishAlways {
        ":".to_owned()
    } else {
        format!("mkdir '{marks}/taken' 2>/dev/null")
    };
    let happens = match trick {
        Trick::HoldBefore => wait,
        Trick::HoldAfter => format!("after=\"{wait}\"").replace("$$", "\\$\\$"),
        Trick::Hang => format!("{told}; exec sleep {LEFT_BEHIND}"),
        Trick::HangIgnoringTerm => format!("trap '' TERM; {told}; exec sleep {LEFT_BEHIND}"),
        Trick::Flood => format!("{told}; {flood}; {flood} >&2"),
        Trick::Rubbish | Trick::RubbishAlways => {
            format!("{told}; head -c 100000 /dev/urandom; exit 0")
        }
        Trick::Fork => format!("{told}; sleep {LEFT_BEHIND} &"),
        Trick::ForkAway => {
            format!("{told}; setsid sh -c 'trap \"\" TERM HUP; sleep {LEFT_BEHIND} & :'")
        }
    };
    format!(
        "case \"$tool $folded $*\" in\n'{} '{words}*)\n  if {once}; then {happens}\n  fi ;;\nesac\n",
        run.tool
    )
}

impl Drop for Trap {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir_all(&self.marks);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A tool that says what it is told, behind its wrapper.
    fn tool() -> (PathBuf, PathBuf) {
        let folder = crate::site::temporary("trap").unwrap();
        let real = folder.join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("repmgr"), "#!/bin/sh\necho \"$*\"; exit 3\n").unwrap();
        std::fs::set_permissions(real.join("repmgr"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        let log = folder.join("bin.log");
        crate::wrapper::install(&folder.join("bin"), &log, &real, &["repmgr"]).unwrap();
        (folder, log)
    }

    #[tokio::test]
    async fn a_run_is_held_once_at_its_moment() {
        let (folder, log) = tool();
        let run = Run { host: 0, tool: "repmgr", words: &["standby", "clone"] };
        let command = |words: &[&str]| {
            let mut command = process::command(folder.join("bin/repmgr"));
            command.args(words);
            process::run(command, Duration::from_secs(20))
        };
        for trick in [Trick::HoldBefore, Trick::HoldAfter] {
            let trap = Trap::set(&log, run, trick).unwrap();
            command(&["standby", "register"]).await.unwrap().expect_code(3).unwrap();
            assert!(!trap.has_sprung());
            let held = tokio::spawn(command(&["standby", "clone", "x"]));
            assert!(trap.sprung(Duration::from_secs(20)).await.unwrap() > 1);
            // Only the first one falls into it.
            command(&["standby", "clone", "y"]).await.unwrap().expect_code(3).unwrap();
            assert!(!held.is_finished());
            trap.release().unwrap();
            let ended = held.await.unwrap().unwrap();
            assert_eq!(ended.expect_code(3).unwrap(), "standby clone x\n");
        }
        let trap = Trap::set(&log, run, Trick::Rubbish).unwrap();
        let ended = command(&["standby", "clone"]).await.unwrap();
        assert!(ended.expect_code(0).unwrap().len() > 50_000);
        drop(trap);
        command(&["standby", "clone"]).await.unwrap().expect_code(3).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
