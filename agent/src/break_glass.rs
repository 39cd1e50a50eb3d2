//! `bellows-agent job`: the jobs of this host for somebody who sits at it, for when the coordinator
//! or the agent is away. What is shown, and who may; how it is done is in [`crate::jobs::by_hand`].

use std::io::{self, Write as _};

use anyhow::{Result, bail};
use bellows_proto::v1::{Job, JobState};
use camino::Utf8Path;

use crate::{
    config::Config,
    facilities::Local,
    host::{Host, Metadata},
    jobs::{
        by_hand::{ByHand, Found, Listing},
        store::JobDir,
    },
    run,
};

/// Where the kernel keeps who logged in, whatever `su` and `sudo` made of them since.
const LOGIN: &str = "/proc/self/loginuid";
/// A session that nobody logged in to.
const NOBODY: u32 = u32::MAX;
/// A command line is not shown longer, characters.
const LONGEST_WHAT: usize = 80;

/// The word fits no job, or several: nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoSuchJob(String);

/// The verbs of `bellows-agent job`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum JobVerb {
    /// Show all jobs that are not forgotten yet
    List,
    /// Print what a job's tools wrote
    Logs {
        /// OPERATION/ACT/ATTEMPT of `job list`, or the beginning of one
        job: String,
        /// Go on until the job has ended
        #[arg(long, short)]
        follow: bool,
    },
    /// End a job: TERM, then KILL, to all of it
    Cancel {
        /// OPERATION/ACT/ATTEMPT of `job list`, or the beginning of one
        job: String,
    },
}

/// `bellows-agent job`: answers on standard output.
///
/// # Errors
/// [`NoSuchJob`] if the word fits none or several; if this user may not, or the disk fails.
pub async fn job(config: Config, verb: JobVerb) -> Result<()> {
    let local = run::local(config)?;
    let who = become_owner(local.host.as_ref(), &local.config.agent.data_dir)?;
    let by_hand = ByHand::new(local.clone());
    match verb {
        JobVerb::List => list(&local, &by_hand),
        JobVerb::Logs { job, follow } => logs(&by_hand, &job, follow).await,
        JobVerb::Cancel { job } => cancel(&by_hand, &job, &who).await,
    }
}

/// The jobs are the agent's own: root becomes that user for them, so that what is written stays
/// its own; anybody else is refused. Returns who asked, in words.
fn become_owner(host: &dyn Host, data_dir: &Utf8Path) -> Result<String> {
    let Some(folder) = host.metadata(data_dir)? else {
        bail!("{data_dir} is not there: no agent with this configuration ever ran on this host");
    };
    let own = rustix::process::geteuid();
    let who = who(host, own.as_raw());
    if own.as_raw() == folder.uid {
        return Ok(who);
    }
    if !own.is_root() {
        bail!(
            "the jobs belong to uid {}, and this is uid {}; run it as root or as that user",
            folder.uid,
            own.as_raw()
        );
    }
    become_user(&folder)?;
    Ok(who)
}

fn become_user(folder: &Metadata) -> Result<(), rustix::io::Errno> {
    let (uid, gid) = (rustix::fs::Uid::from_raw(folder.uid), rustix::fs::Gid::from_raw(folder.gid));
    // This command has one thread only, so that the thread is the process.
    rustix::thread::set_thread_groups(&[gid])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// "uid 0 (logged in as uid 1000)".
fn who(host: &dyn Host, own: u32) -> String {
    let login = host.read(Utf8Path::new(LOGIN), 20).ok().flatten();
    let login = login.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse::<u32>().ok());
    match login.filter(|uid| *uid != NOBODY && *uid != own) {
        Some(login) => format!("uid {own} (logged in as uid {login})"),
        None => format!("uid {own}"),
    }
}

fn list(local: &Local, by_hand: &ByHand) -> Result<()> {
    let listing = by_hand.list().map_err(run::failed)?;
    let Listing { jobs, damaged } = &listing;
    if jobs.is_empty() && damaged.is_empty() {
        return printed(b"There are no jobs.\n");
    }
    printed(table(jobs, local.clock.now_ms()).as_bytes())?;
    for (path, fault) in damaged {
        eprintln!("{path} cannot be read: {fault}");
    }
    if !damaged.is_empty() {
        bail!("not every job could be read; is this agent older than the one that wrote them?");
    }
    Ok(())
}

/// One line per job, columns as wide as they need to be.
fn table(jobs: &[Found], now_ms: i64) -> String {
    let mut rows = vec![["JOB", "CLUSTER", "STATE", "AGE", "WHAT"].map(str::to_owned)];
    for found in jobs {
        let job = &found.job;
        let age = now_ms.saturating_sub(job.accepted_at_ms);
        rows.push([found.word.clone(), job.cluster.clone(), state(found), span(age), what(job)]);
    }
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(String::len).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<String>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// In a word, and what a look at its processes adds.
fn state(found: &Found) -> String {
    let known = match found.job.state() {
        JobState::Unspecified => "unknown",
        JobState::Accepted => "accepted",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        JobState::Lost => "lost",
    };
    if found.alive == (found.job.state() == JobState::Running) {
        known.to_owned()
    } else if found.alive {
        format!("{known}, processes live")
    } else if found.job.state() == JobState::Running {
        format!("{known}, but no process lives")
    } else {
        known.to_owned()
    }
}

/// The last command line; of one that ended badly: why.
fn what(job: &Job) -> String {
    let told = match (&job.fault, job.tool_runs.last()) {
        (Some(fault), _) => fault.message.clone(),
        (None, Some(run)) => run.command.join(" "),
        (None, None) => String::new(),
    };
    let line = told.lines().next().unwrap_or_default();
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_WHAT).collect()
}

/// "12s", "3min", "5h", "2d": of milliseconds.
fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}min", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn find(by_hand: &ByHand, job: &str) -> Result<JobDir, NoSuchJob> {
    by_hand.find(job).map_err(|fault| NoSuchJob(run::failed(fault).to_string()))
}

async fn logs(by_hand: &ByHand, job: &str, follow: bool) -> Result<()> {
    let dir = find(by_hand, job)?;
    let mut offset = 0;
    while let Some(chunk) = by_hand.output(&dir, offset, follow).await.map_err(run::failed)? {
        if chunk.skipped > 0 {
            eprintln!("[{} bytes are not kept any more]", chunk.skipped);
        }
        if !written(&chunk.bytes)? {
            return Ok(());
        }
        offset = chunk.offset + u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
    }
    Ok(())
}

async fn cancel(by_hand: &ByHand, job: &str, who: &str) -> Result<()> {
    let dir = find(by_hand, job)?;
    let word = dir.word().unwrap_or_default();
    eprintln!("ending job {word}: TERM, and KILL after a while");
    let ended = by_hand.cancel(&dir, who).await.map_err(run::failed)?;
    let found = Found { word, job: ended, alive: false };
    let why = found.job.fault.as_ref().map(|fault| format!(": {}", fault.message));
    let why = why.unwrap_or_default();
    printed(format!("{} {}{why}\n", found.word, state(&found)).as_bytes())?;
    eprintln!("its operation does not know yet: the coordinator looks, and holds or undoes it");
    Ok(())
}

/// To standard output; one that nobody reads any more is no error.
fn printed(bytes: &[u8]) -> Result<()> {
    written(bytes).map(|_| ())
}

/// As [`printed`]; `false`: nobody reads it any more.
fn written(bytes: &[u8]) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::{Fault, FaultCode, ToolRun};

    fn found(state: JobState, alive: bool) -> Found {
        let run = ToolRun {
            command: vec!["/usr/bin/repmgr".into(), "standby".into(), "clone".into()],
            ..ToolRun::default()
        };
        let job = Job {
            state: state.into(),
            cluster: "orders".into(),
            accepted_at_ms: 1_000_000,
            tool_runs: vec![run],
            ..Job::default()
        };
        Found { word: "01/3/1".into(), job, alive }
    }

    #[test]
    fn jobs_in_a_table_with_what_their_processes_tell() {
        let mut failed = found(JobState::Failed, true);
        failed.job.fault = Some(Fault::new(FaultCode::ToolFailed, "no space\nleft"));
        let jobs = [
            found(JobState::Running, true),
            found(JobState::Running, false),
            failed,
            found(JobState::Succeeded, false),
        ];
        let expected = "\
JOB     CLUSTER  STATE                          AGE   WHAT
01/3/1  orders   running                        5min  /usr/bin/repmgr standby clone
01/3/1  orders   running, but no process lives  5min  /usr/bin/repmgr standby clone
01/3/1  orders   failed, processes live         5min  no space
01/3/1  orders   succeeded                      5min  /usr/bin/repmgr standby clone
";
        assert_eq!(table(&jobs, 1_300_000), expected);
    }

    #[test]
    fn spans_in_their_largest_unit() {
        let shown = [-5, 59_999, 60_000, 7_200_000, 200_000_000].map(span);
        assert_eq!(shown, ["0s", "59s", "1min", "2h", "2d"]);
    }
}
