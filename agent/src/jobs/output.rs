//! Captured output: segments named by the offset of their first byte. Old ones go when there
//! are too many; offsets keep counting, and a reader is told what was skipped.

use bellows_proto::v1::{Fault, OutputChunk};
use sha2::{Digest as _, Sha256};

use super::store::JobDir;
use crate::host::Host;

/// A segment is not longer by more than one piece.
pub const SEGMENT: u64 = 1024 * 1024;
/// So many are kept, the one being written included.
pub const SEGMENTS: usize = 8;
/// Bytes per chunk of a reader.
pub const CHUNK: usize = 64 * 1024;

const PREFIX: &str = "output.";

fn name(start: u64) -> String {
    format!("{PREFIX}{start:020}")
}

/// Starts of the segments, in order.
fn segments(host: &dyn Host, dir: &JobDir) -> Result<Vec<u64>, Fault> {
    Ok(host
        .list(dir.path())?
        .iter()
        .filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok())
        .collect())
}

/// Bytes captured so far, rotated ones included.
///
/// # Errors
/// If the folder cannot be read.
pub fn end(host: &dyn Host, dir: &JobDir) -> Result<u64, Fault> {
    let Some(last) = segments(host, dir)?.last().copied() else {
        return Ok(0);
    };
    let length = host.metadata(&dir.file(&name(last)))?.map_or(0, |m| m.length);
    Ok(last + length)
}

/// A piece of output from `offset`, of at most [`CHUNK`] bytes; `None`: nothing is there yet.
///
/// # Errors
/// If a segment cannot be read.
pub fn read(host: &dyn Host, dir: &JobDir, offset: u64) -> Result<Option<OutputChunk>, Fault> {
    let starts = segments(host, dir)?;
    // The segment that holds the offset, and the ones after it: a segment may end early
    // (a full disk), then what is missing counts as skipped.
    let first = starts.iter().rposition(|start| *start <= offset);
    for start in starts.iter().skip(first.unwrap_or(0)) {
        let from = offset.max(*start);
        let bytes = host.read_at(&dir.file(&name(*start)), from - start, CHUNK)?;
        // `None`: rotated away meanwhile; the next one tells what was skipped.
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            return Ok(Some(OutputChunk { offset: from, bytes, skipped: from - offset }));
        }
    }
    Ok(None)
}

/// Writes a job's output. One per job, in its shim.
pub struct Writer {
    start: u64,
    end: u64,
    hash: Sha256,
}

impl Writer {
    /// For a job that has written nothing yet.
    pub fn new() -> Self {
        Self { start: 0, end: 0, hash: Sha256::new() }
    }

    /// Appends and rotates. When the disk fails the bytes are lost, but still counted and in
    /// the digest: the tool goes on, and readers are told that they are missing.
    ///
    /// # Errors
    /// What the disk said.
    pub fn write(&mut self, host: &dyn Host, dir: &JobDir, bytes: &[u8]) -> Result<(), Fault> {
        self.hash.update(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.end - self.start >= SEGMENT {
            self.start = self.end;
            self.rotate(host, dir)?;
        }
        let written = host.append(&dir.file(&name(self.start)), bytes);
        self.end += length;
        if let Err(error) = written {
            // A part of it may be there: what follows goes to a segment of its own.
            self.start = self.end;
            return Err(error.into());
        }
        Ok(())
    }

    fn rotate(&self, host: &dyn Host, dir: &JobDir) -> Result<(), Fault> {
        let starts = segments(host, dir)?;
        let surplus = (starts.len() + 1).saturating_sub(SEGMENTS);
        for start in starts.iter().take(surplus) {
            host.remove_file(&dir.file(&name(*start)))?;
        }
        Ok(())
    }

    /// Makes all of it durable and returns its digest.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn finish(self, host: &dyn Host, dir: &JobDir) -> Result<[u8; 32], Fault> {
        for start in segments(host, dir)? {
            host.sync(&dir.file(&name(start)))?;
        }
        Ok(self.hash.finalize().into())
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Access, RealHost};

    #[test]
    fn offsets_go_on_counting_when_old_output_goes() {
        let folder = tempfile::tempdir().unwrap();
        let host = RealHost::new("/none");
        let path = camino::Utf8Path::from_path(folder.path()).unwrap().join("1-1");
        let dir = JobDir::at(path);
        host.create_directory(dir.path(), &Access::PRIVATE_DIRECTORY).unwrap();
        let mut writer = Writer::new();
        let mut all = Vec::new();
        for index in 0..150_u32 {
            let piece = vec![u8::try_from(index).unwrap(); 100_000];
            writer.write(&host, &dir, &piece).unwrap();
            all.extend(piece);
        }
        assert_eq!(end(&host, &dir).unwrap(), 15_000_000);
        let mut offset = 0;
        let mut skipped = 0;
        while let Some(chunk) = read(&host, &dir, offset).unwrap() {
            skipped += chunk.skipped;
            assert_eq!(chunk.offset, offset + chunk.skipped);
            let from = usize::try_from(chunk.offset).unwrap();
            assert_eq!(chunk.bytes, all[from..from + chunk.bytes.len()]);
            offset = chunk.offset + chunk.bytes.len() as u64;
        }
        assert_eq!(offset, 15_000_000);
        assert!(skipped > 5_000_000 && skipped < 8_000_000, "{skipped}");
        let digest = writer.finish(&host, &dir).unwrap();
        assert_eq!(digest, bellows_proto::digest::of_bytes(&all));
    }
}
