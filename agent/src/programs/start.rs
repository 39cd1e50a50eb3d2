//! At the very start of a process, before any thread: it becomes the program that is to run.
//!
//! Whatever goes wrong here, some agent runs: the base, which always can.

use bellows_proto::v1::{Fault, Program, ProgramRecord};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    OWN,
    choose::{Now, Start, choose, fell_back},
    folder::{self, Folder, Held},
};
use crate::{
    config,
    exec::launch,
    host::{Clock as _, RealHost, SystemClock},
    tools::host::boot_id,
};

/// Set for a program that was chosen: what was started first. Such a program chooses no other one.
pub const BASE: &str = "BELLOWS_AGENT_BASE";

/// What the process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: a program on trial is tried now.
    Serve,
    /// Anything else: what is kept does it.
    Ask,
}

/// Becomes the program that is to run in place of this one. Returns if that is this one, or the other one
/// cannot be started.
pub fn become_chosen(config: &Utf8Path, purpose: Purpose) {
    if std::env::var_os(BASE).is_some() {
        return;
    }
    // What is wrong with the configuration is told by whoever reads all of it.
    let Ok(data_dir) = config::data_dir(config) else { return };
    let folder = Folder::of(&data_dir);
    if !folder.is_there() {
        return;
    }
    if let Err(fault) = go_on_as(&folder, purpose) {
        tracing::error!(%fault, "no other program was chosen: this one goes on");
    }
}

fn go_on_as(folder: &Folder, purpose: Purpose) -> Result<(), Fault> {
    let own = std::env::current_exe().ok().and_then(|own| Utf8PathBuf::try_from(own).ok());
    let own = own.unwrap_or_else(|| OWN.into());
    let host = RealHost::new(own.clone());
    let record = folder.record(&host)?;
    if record.kept.is_none() && record.trial.is_none() {
        return Ok(());
    }
    let held = folder.hold()?;
    let record = folder.record(&host)?;
    let digest = folder::digest(Utf8Path::new(OWN))?;
    let boot_id = boot_id(&host)?;
    let version = env!("CARGO_PKG_VERSION");
    let now = Now { version, digest: &digest, boot_id: &boot_id, now_ms: SystemClock.now_ms() };
    let serves = purpose == Purpose::Serve;
    let (after, start) = choose(record.clone(), &now, serves);
    if serves && after != record {
        // Before it runs: it is not started twice.
        held.keep(&host, &after)?;
    }
    match start {
        Start::Base => {}
        Start::Kept(kept) => replace(&kept, &own)?,
        Start::Trial(program) => {
            let Err(fault) = replace(&program, &own) else { return Ok(()) };
            tracing::error!(%fault, "the program on trial cannot be started");
            let back = given_up(after, &fault.message);
            held.keep(&host, &back)?;
            if let Some(kept) = back.kept {
                replace(&kept, &own)?;
            }
        }
    }
    drop::<Held>(held);
    Ok(())
}

fn given_up(mut record: ProgramRecord, reason: &str) -> ProgramRecord {
    match record.trial.take() {
        Some(trial) => fell_back(record, trial, reason, SystemClock.now_ms()),
        None => record,
    }
}

/// Becomes a program that is still what it was when it was put there. Returns only a failure.
fn replace(program: &Program, base: &Utf8Path) -> Result<(), Fault> {
    let path = Utf8Path::new(&program.path);
    if folder::digest(path)? != program.digest {
        let text = format!("{path} is damaged: it is not what was put there");
        return Err(Fault::new(bellows_proto::v1::FaultCode::Drift, text));
    }
    // The lock ends with this program: files are closed when another one begins.
    Err(folder::unusable(path, &launch::replace_by(path, (BASE, base.as_str()))))
}

/// The service of systemd that this process is the main process of; `None`: none.
pub(super) fn own_unit() -> Option<String> {
    let service = std::env::var_os("INVOCATION_ID").is_some()
        && rustix::process::getppid() == Some(rustix::process::Pid::INIT);
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    if service { unit_in(&groups) } else { None }
}

/// The service in the lines of `/proc/PID/cgroup`.
fn unit_in(groups: &str) -> Option<String> {
    let plain = |name: &&str| {
        name.ends_with(".service")
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@:\\".contains(&b))
    };
    groups.lines().filter_map(|line| line.rsplit('/').next()).find(plain).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_read_from_either_kind_of_cgroups() {
        let unit = Some("bellows-agent.service".to_owned());
        assert_eq!(unit_in("0::/system.slice/bellows-agent.service\n"), unit);
        let old = "11:pids:/x\n1:name=systemd:/host/system.slice/bellows-agent.service\n0::/\n";
        assert_eq!(unit_in(old), unit);
        assert_eq!(unit_in("0::/user.slice/session-3.scope\n"), None);
        assert_eq!(unit_in("0::/a b.service\n"), None);
    }
}
