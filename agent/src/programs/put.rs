//! A program comes in pieces, lands in the one place that is for it, and is proven to run here before anybody
//! may switch to it.

use std::{fs::File, io::Write as _, time::Duration};

use bellows_proto::v1::{Fault, FaultCode, Program, ProgramHeader, PutProgramReply};
use camino::Utf8Path;
use rustix::fs::XattrFlags;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    NAME, OWN, Programs,
    elf::{self, HEAD},
    folder::{self, unusable},
    start::BASE,
};
use crate::{
    exec::{Finished, Invocation, Silent},
    facilities::fault,
    host::Access,
};

/// No program is longer, bytes.
const LONGEST: u64 = 256 * 1024 * 1024;
/// Is left free beside it, bytes: the agent's records need room.
const LEFT_FREE: u64 = 64 * 1024 * 1024;
/// It says which version it is at once.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// It reads agent.toml, as a unit of its own.
const CONFIG_LIMIT: Duration = Duration::from_secs(20);
/// What the kernel and its policies hold against a program (SELinux).
const LABEL: &str = "security.selinux";

/// The bytes of a program, as they come.
pub trait Arriving: Send {
    /// The next ones; `None`: these were all.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, Fault>> + Send;
}

impl Programs {
    /// Takes a program, whole, and proves it. One that is here already is proven again. Nothing is switched.
    ///
    /// # Errors
    /// `FAULT_CODE_DENIED` if no program can be put in our place, `FAULT_CODE_INVALID` if it is not what was
    /// announced or not for this machine, `FAULT_CODE_CONFLICT` if another one comes right now,
    /// `FAULT_CODE_TOOL_FAILED` if it does not run here, `FAULT_CODE_IO`. Nothing is left of it then.
    pub async fn put(
        &self,
        header: &ProgramHeader,
        bytes: &mut impl Arriving,
    ) -> Result<PutProgramReply, Fault> {
        let inner = &*self.0;
        inner.refusal()?;
        let announced = announced(header)?;
        let Ok(_busy) = inner.busy.try_lock() else {
            return Err(Fault::new(FaultCode::Conflict, "another program is being put here"));
        };
        let host = inner.local.host.as_ref();
        inner.folder.make(host)?;
        let place = inner.folder.place(&announced.version, &announced.digest);
        if inner.folder.find(host, &announced.digest)?.is_none() {
            self.make_room(header.length)?;
            let incoming = inner.folder.path().join("incoming");
            let received = receive(&incoming, header.length, &announced.digest, bytes).await;
            let placed = received.and_then(|()| self.settle(&incoming, &place));
            host.remove_file(&incoming)?;
            placed?;
        }
        let program = Program { path: place.to_string(), ..announced };
        if let Err(fault) = self.prove(&program).await {
            let runs = inner.local.own_program == place;
            if let Some(folder) = place.parent().filter(|_| !runs) {
                host.remove_directory(folder)?;
            }
            return Err(fault);
        }
        Ok(PutProgramReply { program: Some(program) })
    }

    fn make_room(&self, length: u64) -> Result<(), Fault> {
        let inner = &*self.0;
        let host = inner.local.host.as_ref();
        let record = inner.folder.record(host)?;
        let trial = record.trial.and_then(|trial| trial.program);
        let mut needed = vec![inner.local.own_program.as_path(), inner.base.as_path()];
        needed.extend(record.kept.iter().chain(&trial).map(|one| Utf8Path::new(&one.path)));
        inner.folder.prune(host, &needed)?;
        let free = host.space(inner.folder.path())?.free;
        if free < length.saturating_add(LEFT_FREE) {
            let text = format!(
                "{} has {free} bytes free, the program needs {length} and {LEFT_FREE} stay free",
                inner.folder.path()
            );
            return Err(Fault::new(FaultCode::Io, text).remedy("free space there"));
        }
        Ok(())
    }

    /// Gives what has come its mode, its label and its place.
    fn settle(&self, incoming: &Utf8Path, place: &Utf8Path) -> Result<(), Fault> {
        let inner = &*self.0;
        let failed = |error: std::io::Error| unusable(incoming, &error);
        let head = |path: &Utf8Path| -> Result<Vec<u8>, Fault> {
            Ok(inner.local.host.read_at(path, 0, HEAD)?.unwrap_or_default())
        };
        if let Some(reason) = elf::mismatch(&head(incoming)?, &head(Utf8Path::new(OWN))?) {
            let text = format!("the program cannot run here: {reason}");
            return Err(invalid(&text));
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(incoming, mode).map_err(failed)?;
        label(&inner.base, incoming);
        File::open(incoming).and_then(|file| file.sync_all()).map_err(failed)?;
        let Some(folder) = place.parent() else { return Err(invalid("it has no place")) };
        inner.local.host.create_directory(folder, &Access::PRIVATE_DIRECTORY)?;
        std::fs::rename(incoming, place).map_err(|error| unusable(place, &error))?;
        Ok(inner.local.host.sync(place)?)
    }

    /// It runs here, is what it is said to be, and takes this host's agent.toml: as a child of ours, and as a
    /// unit of its own, which is how jobs will start it.
    pub(super) async fn prove(&self, program: &Program) -> Result<(), Fault> {
        let inner = &*self.0;
        let base = inner.base.as_str();
        let invocation = Invocation::new(&*program.path, ["--version"], VERSION_LIMIT);
        let said = self.run(invocation.env(BASE, base), "say its version").await?;
        let (said, wanted) = (said.stdout, format!("{NAME} {}", program.version));
        let said = String::from_utf8_lossy(&said);
        if said.trim() != wanted {
            let text = format!("the program says it is {:?}, wanted {wanted:?}", said.trim());
            return Err(invalid(&text));
        }
        let variable = format!("--setenv={BASE}={base}");
        let config = inner.local.config.path.as_str();
        let how = ["--quiet", "--wait", "--pipe", "--collect", &variable, "--"];
        let words = [&how[..], &[&program.path, "check-config", "--config", config]].concat();
        let invocation = Invocation::new("/usr/bin/systemd-run", words, CONFIG_LIMIT);
        self.run(invocation, "take the configuration of this host").await.map(drop)
    }

    pub(super) async fn run(&self, call: Invocation, what: &str) -> Result<Finished, Fault> {
        let never = CancellationToken::new();
        let finished = self.0.local.host.run(&call, &never, &mut Silent).await;
        let finished = finished.map_err(|error| fault::of_exec(&call, &error))?;
        if finished.success() {
            return Ok(finished);
        }
        Err(fault::tool_failed(&call.command(), &finished, what))
    }
}

/// What is announced, if it can be.
fn announced(header: &ProgramHeader) -> Result<Program, Fault> {
    let Some(program) = &header.program else { return Err(invalid("the program is not named")) };
    if program.digest.len() != 32 {
        return Err(invalid("the digest is no SHA-256"));
    }
    // It becomes the name of a folder.
    if semver::Version::parse(&program.version).is_err() {
        return Err(invalid(&format!("{:?} is no version", program.version)));
    }
    if header.length == 0 || header.length > LONGEST {
        let text = format!("{} bytes are no program: from 1 to {LONGEST}", header.length);
        return Err(invalid(&text));
    }
    Ok(Program { path: String::new(), ..program.clone() })
}

async fn receive(
    path: &Utf8Path,
    length: u64,
    digest: &[u8],
    bytes: &mut impl Arriving,
) -> Result<(), Fault> {
    let failed = |error: std::io::Error| unusable(path, &error);
    let mut file = File::create(path).map_err(failed)?;
    let (mut hasher, mut came) = (Sha256::new(), 0_u64);
    while let Some(piece) = bytes.next().await? {
        came = came.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if came > length {
            return Err(invalid(&format!("more than the {length} bytes that were announced came")));
        }
        hasher.update(&piece);
        file.write_all(&piece).map_err(failed)?;
    }
    if came < length {
        return Err(invalid(&format!("it was cut off: {came} of {length} bytes came")));
    }
    if hasher.finalize().as_slice() != digest {
        return Err(invalid("it did not arrive as it was sent: its digest is another one"));
    }
    Ok(())
}

/// A policy that lets the base run lets this one run.
fn label(base: &Utf8Path, program: &Utf8Path) {
    let mut label = vec![0; 512];
    let Ok(length) = rustix::fs::getxattr(base.as_std_path(), LABEL, &mut label[..]) else {
        return;
    };
    label.truncate(length);
    let set = rustix::fs::setxattr(program.as_std_path(), LABEL, &label, XattrFlags::empty());
    if let Err(error) = set {
        // If it matters, the program is not proven.
        tracing::warn!(%error, %program, "the program does not get the label of the one that runs");
    }
}

fn invalid(text: &str) -> Fault {
    Fault::new(FaultCode::Invalid, text).remedy("nothing was switched; send it again, whole")
}

/// Only for the digest of a program that is on disk.
pub(super) fn same(path: &Utf8Path, digest: &[u8]) -> bool {
    folder::digest(path).is_ok_and(|found| found == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces(Vec<&'static [u8]>);

    impl Arriving for Pieces {
        async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
            let first = (!self.0.is_empty()).then(|| self.0.remove(0).to_vec());
            Ok(first)
        }
    }

    async fn received(pieces: &[&'static [u8]], length: u64) -> Result<Vec<u8>, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("incoming");
        let digest = bellows_proto::digest::of_bytes(b"program");
        receive(&path, length, &digest, &mut Pieces(pieces.to_vec())).await?;
        Ok(std::fs::read(path).unwrap())
    }

    #[tokio::test]
    async fn only_what_was_announced_is_taken_and_all_of_it() {
        assert_eq!(received(&[b"pro", b"gram"], 7).await.unwrap(), b"program");
        for (pieces, length, told) in [
            (&[&b"pro"[..]][..], 7, "cut off: 3 of 7 bytes"),
            (&[], 7, "cut off: 0 of 7 bytes"),
            (&[b"program", b"!"], 7, "more than the 7 bytes"),
            (&[b"progrAm"], 7, "its digest is another one"),
        ] {
            let fault = received(pieces, length).await.unwrap_err();
            assert_eq!(fault.code(), FaultCode::Invalid);
            assert!(fault.message.contains(told), "{fault}");
        }
    }

    #[test]
    fn what_is_announced_has_bounds() {
        let header = |version: &str, digest: usize, length| ProgramHeader {
            term: None,
            program: Some(Program {
                version: version.into(),
                digest: vec![1; digest],
                path: "/etc/passwd".into(),
            }),
            length,
        };
        // Where it ends up is not the sender's to say.
        assert_eq!(announced(&header("0.2.0", 32, 1)).unwrap().path, "");
        for bad in [
            header("../../etc", 32, 1),
            header("", 32, 1),
            header("0.2.0", 31, 1),
            header("0.2.0", 32, 0),
            header("0.2.0", 32, LONGEST + 1),
            ProgramHeader::default(),
        ] {
            assert_eq!(announced(&bad).unwrap_err().code(), FaultCode::Invalid, "{bad:?}");
        }
    }
}
