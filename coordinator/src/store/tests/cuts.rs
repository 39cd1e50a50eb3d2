//! Power cuts within the real system calls of a store: a process makes one and works with it
//! under `strace`; then, for moments all over the trace, the disk is built as a cut may have
//! left it, and opened by the real store.
//!
//! What was synced before the cut is there. Of everything else - bytes that no `fsync` or
//! `fdatasync` of their file followed, names that no `fsync` of their directory followed - there
//! is nothing, all, some calls, or some sectors of some calls. The choice is made by a seed
//! that is printed; `BELLOWS_TEST_CUT_SEED` takes it again (the trace itself is a new one).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    power::{commits, patient_open, work},
    traced::{CALLS, Inode, Kind, Operation, read},
    *,
};

const DIRECTORY: &str = "BELLOWS_TEST_TRACED_DIRECTORY";
const SEED: &str = "BELLOWS_TEST_CUT_SEED";
const SECTOR: usize = 512;
const COMMITS: u64 = 11;
/// At most so many moments are looked at: the test takes some 20 s.
const MOST_MOMENTS: usize = 100;

/// The child. In a usual run of the tests it does nothing.
#[test]
fn child_that_is_traced() {
    let Some(path) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    let mut store = Some(Store::create(&path, "site-1").unwrap());
    println!("\nmade");
    for number in 0..COMMITS {
        if number % 4 == 3 {
            // A restart writes a snapshot, and removes the one before.
            drop(store.take());
            store = Some(patiently(|| Store::open(&path)));
        }
        work(store.as_ref().unwrap(), number).unwrap();
        println!("\nacknowledged {number}");
    }
}

/// What is taken of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Nothing,
    All,
    SomeCalls,
    SomeSectors,
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// What a disk holds.
#[derive(Default)]
struct Disk {
    dirs: BTreeMap<PathBuf, ()>,
    names: BTreeMap<PathBuf, Inode>,
    files: BTreeMap<Inode, Vec<u8>>,
}

impl Disk {
    /// After a cut just before line `moment` of the trace.
    fn cut(operations: &[Operation], moment: usize, luck: Luck, chance: &mut Chance) -> Self {
        let mut disk = Self::default();
        for operation in operations.iter().filter(|operation| operation.begin < moment) {
            let synced = operations.iter().any(|sync| {
                sync.end < moment && sync.begin > operation.end && covers(sync, operation)
            });
            let luck = if synced { Luck::All } else { luck };
            disk.take(&operation.kind, luck, chance);
        }
        disk
    }

    fn take(&mut self, kind: &Kind, luck: Luck, chance: &mut Chance) {
        let taken = match luck {
            Luck::Nothing => false,
            Luck::All => true,
            Luck::SomeCalls => chance.coin(),
            Luck::SomeSectors if matches!(kind, Kind::Write { .. }) => true,
            Luck::SomeSectors => chance.coin(),
        };
        if !taken {
            return;
        }
        match kind {
            Kind::Make { path, inode } => drop(self.names.insert(path.clone(), *inode)),
            Kind::MakeDir { path } => drop(self.dirs.insert(path.clone(), ())),
            Kind::Remove { path } => drop(self.names.remove(path)),
            Kind::Rename { from, to } => {
                if let Some(inode) = self.names.remove(from) {
                    self.names.insert(to.clone(), inode);
                }
            }
            Kind::Write { inode, at, bytes } => {
                let file = self.files.entry(*inode).or_default();
                let some = luck == Luck::SomeSectors;
                let end = at + bytes.len();
                if file.len() < end && (!some || chance.coin()) {
                    file.resize(end, 0);
                }
                for (place, byte_at) in sectors(*at, end) {
                    let part = &bytes[place - at..byte_at - at];
                    if (!some || chance.coin()) && file.len() >= byte_at {
                        file[place..byte_at].copy_from_slice(part);
                    }
                }
            }
            Kind::Cut { inode, len } => self.files.entry(*inode).or_default().resize(*len, 0),
            Kind::SyncFile { .. } | Kind::SyncDir { .. } | Kind::Say { .. } => {}
        }
    }

    fn write(&self, root: &Path) {
        for dir in self.dirs.keys() {
            // One whose parent was lost is lost with it.
            let _ = fs::create_dir(root.join(dir));
        }
        for (name, inode) in &self.names {
            let bytes = self.files.get(inode).cloned().unwrap_or_default();
            let path = root.join(name);
            if path.parent().is_some_and(Path::is_dir) {
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

/// From where to where each sector of a range goes.
fn sectors(at: usize, end: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = at;
    while from < end {
        let to = ((from / SECTOR + 1) * SECTOR).min(end);
        found.push((from, to));
        from = to;
    }
    found
}

/// Whether a sync makes an operation durable that ended before it.
fn covers(sync: &Operation, operation: &Operation) -> bool {
    let in_dir = |dir: &Path, path: &Path| path.parent() == Some(dir);
    match (&sync.kind, &operation.kind) {
        (Kind::SyncFile { inode: synced }, Kind::Write { inode, .. } | Kind::Cut { inode, .. }) => {
            synced == inode
        }
        (
            Kind::SyncDir { path: dir },
            Kind::Make { path, .. } | Kind::MakeDir { path } | Kind::Remove { path },
        ) => in_dir(dir, path),
        (Kind::SyncDir { path: dir }, Kind::Rename { from, to }) => {
            in_dir(dir, from) && in_dir(dir, to)
        }
        _ => false,
    }
}

/// What was said before a moment: whether the store was made, and how many commits were
/// acknowledged.
fn said(operations: &[Operation], moment: usize) -> (bool, u64) {
    let (mut made, mut acknowledged) = (false, 0);
    for operation in operations.iter().filter(|operation| operation.begin < moment) {
        if let Kind::Say { text } = &operation.kind {
            made |= text.contains("made");
            acknowledged += u64::from(text.contains("acknowledged"));
        }
    }
    (made, acknowledged)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the test starts itself; there is no exec in the coordinator"
)]
fn trace(root: &Path) -> Vec<Operation> {
    let log = root.join("trace");
    let work = root.join("work");
    fs::create_dir(&work).unwrap();
    let output = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "10000000", "-e", &format!("trace={CALLS}"), "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "store::tests::cuts::child_that_is_traced"])
        .env(DIRECTORY, work.join("store"))
        .output()
        .expect("strace is missing: `make setup` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(&fs::read_to_string(&log).unwrap(), &work)
}

#[derive(Debug, Default)]
struct Count {
    images: u64,
    /// With all that was acknowledged.
    whole: u64,
    /// Less, and a doubt stands.
    doubted: u64,
    /// Refused with an error, before the store was made.
    unmade: u64,
}

/// Opens an image: `Err` says what is wrong with what was found.
fn judge(root: &Path, made: bool, acknowledged: u64, count: &mut Count) -> Result<(), String> {
    count.images += 1;
    let store = match patient_open(&root.join("store")) {
        Ok(store) => store,
        Err(_) if !made => {
            count.unmade += 1;
            return Ok(());
        }
        Err(error) => return Err(format!("refused: {}", error.with_causes())),
    };
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| commits(&store)))
        .map_err(|_| "half a commit")?;
    match (found >= acknowledged, store.doubt()) {
        _ if found > acknowledged + 1 => Err(format!("{found} commits were never begun")),
        (true, Some(doubt)) if made => Err(format!("doubt for nothing: {}", doubt.text())),
        (true, _) => {
            count.whole += 1;
            Ok(())
        }
        (false, Some(_)) => {
            count.doubted += 1;
            Ok(())
        }
        (false, None) => Err(format!("only {found} commits, and silence")),
    }
}

#[test]
fn no_cut_within_the_system_calls_loses_what_was_acknowledged() {
    let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    });
    println!("{SEED}={seed}");
    let dir = tempfile::tempdir().unwrap();
    let operations = trace(dir.path());
    let end = operations.iter().filter(|one| one.end < usize::MAX).map(|one| one.end + 2).max();
    let (_, acknowledged) = said(&operations, usize::MAX);
    assert_eq!(acknowledged, COMMITS, "the trace is not whole");
    let snapshots = operations.iter().filter(|one| matches!(one.kind, Kind::Rename { .. }));
    assert!(snapshots.count() > 0, "no snapshot was written");
    let changes = operations.iter().filter(|one| !matches!(one.kind, Kind::Say { .. }));
    let mut moments: Vec<usize> = changes.flat_map(|one| [one.begin, one.begin + 1]).collect();
    moments.extend(end);
    moments.sort_unstable();
    moments.dedup();
    let mut chance = Chance(seed);
    while moments.len() > MOST_MOMENTS {
        let one = usize::try_from(chance.next() % moments.len() as u64).unwrap();
        moments.remove(one);
    }
    let mut count = Count::default();
    for moment in &moments {
        let (made, acknowledged) = said(&operations, *moment);
        for luck in [Luck::Nothing, Luck::All, Luck::SomeCalls, Luck::SomeSectors] {
            let image = dir.path().join("image");
            fs::create_dir(&image).unwrap();
            Disk::cut(&operations, *moment, luck, &mut chance).write(&image);
            if let Err(wrong) = judge(&image, made, acknowledged, &mut count) {
                let kept = dir.keep();
                panic!(
                    "{wrong}: {acknowledged} acknowledged, cut before line {moment} of {}, {luck:?}; \
                     {SEED}={seed}",
                    kept.join("trace").display()
                );
            }
            fs::remove_dir_all(&image).unwrap();
        }
    }
    println!("{} moments of {} calls: {count:?}", moments.len(), operations.len());
    assert!(count.whole > count.images / 2, "{count:?}");
    assert_eq!(count.doubted, 0, "an acknowledged commit is lost: {count:?}");
}
