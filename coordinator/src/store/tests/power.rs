//! A power cut, at every moment that matters: what the disk may hold then is built as an
//! image of the store's directory, and opened.
//!
//! A work of known commits is done on a real store. After each one, when it is acknowledged
//! (so `fdatasync` has returned), the files are copied. What a cut may leave while the next
//! commit is under way is anything between one copy and the next: bytes of `db` that were not
//! synced reach the disk sector by sector (512 bytes), in any order or not at all, the file
//! may have its new length without its new content, and the watermark, `snap.*` and `conf`
//! are files of their own. These images are built from the difference of two copies:
//!
//! * every prefix of the changed sectors, in the order of the file and in the reverse one,
//! * each single changed sector missing, each single one alone,
//! * the file cut at each of these sectors' begin (it grew, and the new length was lost),
//! * a torn sector is not built: disks write a sector wholly or not at all,
//! * each of these with `snap.*` of the earlier copy, missing, and empty in turns.
//!
//! Each image must open, or say that it cannot; then every commit that was acknowledged before
//! the cut is there and sound, none is there that was never begun, the last one is there
//! wholly (event, lock, spec, index) or not at all. Where sled gives up more than that, there
//! must be a doubt or an error: never silence. How often that was so is printed.
//!
//! `BELLOWS_TEST_POWER_COMMITS` makes the work longer (14 commits in an ordinary run).

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::*;

const COMMITS: &str = "BELLOWS_TEST_POWER_COMMITS";
const SECTOR: usize = 512;
/// Of the changed sectors of one commit, at most so many are cuts of their own.
const MOST_CUTS: usize = 8;

/// All files below the store's directory.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn read_files(root: &Path) -> Files {
    let mut files = Files::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn write_files(root: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// One commit of the work. Operations of four events; the second changes the spec, the third
/// is long, the last gives the lock back.
pub(super) fn work(store: &Store, number: u64) -> Result<(), StoreError> {
    let operation = id(number / 4 + 1);
    let version = number / 4 + 1;
    match number % 4 {
        0 => store.begin(Begin {
            operation: &operation,
            accepted: &accepted("c", 3),
            cluster: "c",
            spec_version: version - 1,
            locks: &[exclusive("cluster/c")],
        }),
        1 => {
            let spec = spec("c", version);
            let changes = Changes { put_spec: Some(&spec), ..Changes::default() };
            store.append(&operation, &started(2, 1), &changes)
        }
        2 => append(store, &operation, &large(3, 9000)),
        _ => {
            let changes = Changes { release_locks: true, ..Changes::default() };
            store.append(&operation, &event(4, Kind::Closed(Closed::default())), &changes)
        }
    }
}

/// How many commits of the work are in a store; panics where one is there by half.
pub(super) fn commits(store: &Store) -> u64 {
    let mut all = store.operations(OperationFilter::default(), usize::MAX).unwrap();
    all.reverse();
    let mut commits = 0;
    for (number, summary) in (1..).zip(&all) {
        assert_eq!(summary.operation, id(number), "an operation that never was, or a gap");
        assert_eq!(commits % 4, 0, "an operation before the last one is not whole");
        let events = sound(store, &summary.operation);
        assert!((1..=4).contains(&events.len()));
        if let Some(third) = events.get(2) {
            assert_eq!(*third, large(3, 9000));
        }
        commits += events.len() as u64;
    }
    let version = store.spec("c").unwrap().map_or(0, |spec| spec.version);
    assert_eq!(version, (commits + 2) / 4, "the spec goes with the second event");
    let held = !store.lock_holders("cluster/c").unwrap().is_empty();
    assert_eq!(held, commits % 4 != 0, "the lock goes with the first event and the last");
    assert_eq!(store.unfinished().unwrap().len(), usize::from(held), "so does the index");
    commits
}

/// The sectors of `db` that differ.
fn changed(before: &[u8], after: &[u8]) -> Vec<usize> {
    let part = |bytes: &[u8], at: usize| {
        let mut sector = bytes.get(at..).unwrap_or_default().to_vec();
        sector.truncate(SECTOR);
        sector.resize(SECTOR, 0);
        sector
    };
    (0..before.len().max(after.len()))
        .step_by(SECTOR)
        .filter(|at| part(before, *at) != part(after, *at))
        .collect()
}

/// `before`, with these sectors of `after`.
fn mix(before: &[u8], after: &[u8], sectors: &[usize]) -> Vec<u8> {
    let mut image = before.to_vec();
    image.resize(before.len().max(after.len()), 0);
    for at in sectors {
        let end = (at + SECTOR).min(after.len());
        image[*at..end].copy_from_slice(&after[*at..end]);
    }
    image
}

/// What `db` may be after a cut between two copies.
fn images(before: &[u8], after: &[u8]) -> Vec<Vec<u8>> {
    let sectors = changed(before, after);
    let step = sectors.len().div_ceil(MOST_CUTS).max(1);
    let mut images = vec![before.to_vec(), after.to_vec()];
    for cut in (0..sectors.len()).step_by(step) {
        let (left, right) = sectors.split_at(cut);
        images.push(mix(before, after, left));
        images.push(mix(before, after, right));
        images.push(mix(before, after, &right[..1]));
        let without: Vec<usize> = sectors.iter().copied().filter(|at| *at != right[0]).collect();
        images.push(mix(before, after, &without));
        if right[0] >= before.len() {
            let mut short = mix(before, after, left);
            short.truncate(right[0]);
            images.push(short);
        }
    }
    images
}

/// What became of `snap.*`: as it was, missing, empty.
fn with_snapshot(files: &Files, turn: usize) -> Files {
    let mut image = files.clone();
    let is_snapshot = |name: &Path| name.to_string_lossy().contains("snap.");
    match turn % 3 {
        0 => {}
        1 => image.retain(|name, _| !is_snapshot(name)),
        _ => {
            for (name, bytes) in &mut image {
                if is_snapshot(name) {
                    bytes.clear();
                }
            }
        }
    }
    image
}

#[derive(Debug, Default)]
struct Count {
    images: u64,
    /// Opened with all that was acknowledged.
    whole: u64,
    /// Less than that, and a doubt stands.
    doubted: u64,
    /// Refused with an error.
    refused: u64,
    /// Of these, before anything had been begun.
    first: u64,
}

/// Opens an image after a cut during commit `acknowledged` + 1.
fn judge(root: &Path, acknowledged: u64, count: &mut Count) {
    count.images += 1;
    match patient_open(root) {
        Ok(store) => {
            let found = commits(&store);
            assert!(found <= acknowledged + 1, "{found} commits, {acknowledged} were begun");
            if found >= acknowledged {
                assert_eq!(store.doubt(), None, "nothing is lost and there is a doubt");
                count.whole += 1;
            } else {
                assert!(store.doubt().is_some(), "{found} of {acknowledged}, and silence");
                count.doubted += 1;
            }
        }
        Err(error) => {
            assert!(
                matches!(error, StoreError::Corrupt { .. } | StoreError::Emptied(_)),
                "{error}"
            );
            count.refused += 1;
            count.first += u64::from(acknowledged == 0);
        }
    }
}

pub(super) fn patient_open(root: &Path) -> Result<Store, StoreError> {
    patiently(|| match Store::open(root) {
        Err(StoreError::InUse(path)) => Err(path),
        other => Ok(other),
    })
}

#[test]
fn no_power_cut_loses_what_was_acknowledged_in_silence() {
    let total = std::env::var(COMMITS).ok().and_then(|text| text.parse().ok()).unwrap_or(14);
    let (dir, store) = new_store();
    let path = dir.path().join("store");
    let mut store = Some(store);
    let mut before = read_files(&path);
    let mut count = Count::default();
    let db = PathBuf::from("sled/db");
    for number in 0..total {
        if number % 7 == 6 {
            // A restart writes a snapshot and goes on in the same log.
            drop(store.take());
            store = Some(patiently(|| Store::open(&path)));
            before = read_files(&path);
        }
        work(store.as_ref().unwrap(), number).unwrap();
        let after = read_files(&path);
        for (turn, log) in images(&before[&db], &after[&db]).into_iter().enumerate() {
            let mut files = with_snapshot(&before, turn);
            files.insert(db.clone(), log);
            let image = dir.path().join("image");
            write_files(&image, &files);
            judge(&image, number, &mut count);
            fs::remove_dir_all(&image).unwrap();
        }
        before = after;
    }
    println!("{total} commits: {count:?}");
    assert!(count.images > total * 2 && count.whole > 0);
    assert_eq!((count.doubted, count.refused), (0, 0), "an acknowledged commit is lost: {count:?}");
}
