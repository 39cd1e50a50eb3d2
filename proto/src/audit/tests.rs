//! A disk in memory that dies at any write, and every change that somebody could make to what
//! is on it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::*;
use crate::v1::{AuditAnswer, AuditHead, AuditRecord, audit_record::Kind};

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone, Default)]
struct Memory {
    files: Rc<RefCell<Files>>,
    /// Writes that still succeed, and how much of the one after them is left.
    left: Rc<RefCell<Option<(usize, usize)>>>,
}

impl Memory {
    fn of(files: &Files) -> Self {
        Self { files: Rc::new(RefCell::new(files.clone())), left: Rc::default() }
    }

    /// What of a write reaches the disk.
    fn part<'a>(&self, bytes: &'a [u8], whole: bool) -> (&'a [u8], Result<(), &'static str>) {
        let mut left = self.left.borrow_mut();
        match left.as_mut() {
            None => (bytes, Ok(())),
            Some((0, part)) => {
                let kept = if whole { 0 } else { (*part).min(bytes.len()) };
                *part = 0;
                (&bytes[..kept], Err("dead"))
            }
            Some((writes, _)) => {
                *writes -= 1;
                (bytes, Ok(()))
            }
        }
    }
}

impl Disk for Memory {
    type Error = &'static str;

    fn list(&self) -> Result<Vec<String>, Self::Error> {
        Ok(self.files.borrow().keys().cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Self::Error> {
        self.files.borrow().get(name).cloned().ok_or("absent")
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Self::Error> {
        let (kept, result) = self.part(bytes, true);
        if !kept.is_empty() {
            assert!(self.files.borrow_mut().insert(name.into(), kept.to_vec()).is_none());
        }
        result
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), Self::Error> {
        let (kept, result) = self.part(bytes, false);
        self.files.borrow_mut().get_mut(name).unwrap().extend(kept);
        result
    }

    fn remove(&self, name: &str) -> Result<(), Self::Error> {
        let (_, result) = self.part(b"", true);
        if result.is_ok() {
            self.files.borrow_mut().remove(name);
        }
        result
    }
}

const LIMITS: Limits = Limits { segment_bytes: 200, keep: 3 };

fn kind(text: &str) -> Kind {
    Kind::Answer(AuditAnswer { text: text.into(), ..AuditAnswer::default() })
}

fn open(disk: &Memory, limits: Limits) -> Result<Log<Memory>, &'static str> {
    Log::open(disk.clone(), limits, 1, &mut |_| {})
}

/// A log of so many records that nothing was removed of.
fn written(records: usize) -> (Files, AuditHead) {
    let disk = Memory::default();
    let mut log = open(&disk, Limits { keep: 1000, ..LIMITS }).unwrap();
    for number in 0..records {
        log.append(5, kind(&format!("record {number}"))).unwrap();
    }
    let files = disk.files.borrow().clone();
    (files, log.head())
}

fn read(files: &Files) -> (Vec<Entry>, Chain) {
    let (mut reader, mut found) = (Reader::default(), Vec::new());
    for (name, bytes) in files {
        reader.segment(index_of(name).unwrap(), bytes, &mut |entry| found.push(entry));
    }
    let chain = reader.finish(&mut |entry| found.push(entry));
    (found, chain)
}

fn damage(files: &Files) -> Vec<String> {
    let (found, _) = read(files);
    found.into_iter().map(|entry| entry.damage).filter(|text| !text.is_empty()).collect()
}

fn texts(files: &Files) -> Vec<String> {
    let of = |record: AuditRecord| text(&record.kind?);
    read(files).0.into_iter().filter_map(|entry| of(entry.record?)).collect()
}

fn text(kind: &Kind) -> Option<String> {
    let Kind::Answer(answer) = kind else { return None };
    Some(answer.text.clone())
}

#[test]
fn a_chain_reads_back_over_segments() {
    let (files, head) = written(20);
    assert!(files.len() > 3);
    let (found, chain) = read(&files);
    assert_eq!(found.len(), 20);
    assert_eq!(chain, Chain { first: 1, head });
    assert_eq!(damage(&files), [""; 0]);
    assert_eq!(texts(&files).last().unwrap(), "record 19");
}

#[test]
fn any_changed_byte_is_found() {
    let (files, _) = written(12);
    for (name, bytes) in &files {
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = files.clone();
                changed.get_mut(name).unwrap()[at] ^= flip;
                assert!(!damage(&changed).is_empty(), "{name}, byte {at} ^ {flip}");
                // A restart of the writer hides nothing.
                let disk = Memory::of(&changed);
                let mut log = open(&disk, Limits { keep: 1000, ..LIMITS }).unwrap();
                log.append(9, kind("later")).unwrap();
                assert!(!damage(&disk.files.borrow()).is_empty(), "{name}, byte {at}, reopened");
            }
        }
    }
}

/// The records of a segment as they are stored.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), &bytes[HEADER_BYTES..]);
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize + 40;
        found.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    found
}

fn joined(header: &[u8], frames: &[Vec<u8>]) -> Vec<u8> {
    [&header[..HEADER_BYTES], &frames.concat()].concat()
}

#[test]
fn any_removed_doubled_or_swapped_record_is_found() {
    let (files, head) = written(12);
    for (name, bytes) in &files {
        let whole = frames(bytes);
        for at in 0..whole.len() {
            let mut removed = whole.clone();
            removed.remove(at);
            let mut doubled = whole.clone();
            doubled.insert(at, whole[at].clone());
            let mut swapped = whole.clone();
            swapped.swap(at, (at + 1) % whole.len());
            for other in [removed, doubled, swapped].into_iter().filter(|other| *other != whole) {
                let mut changed = files.clone();
                changed.insert(name.clone(), joined(bytes, &other));
                let (_, chain) = read(&changed);
                // The very last record: only who knows the head can tell.
                assert!(!damage(&changed).is_empty() || chain.head != head, "{name} {at}");
            }
        }
    }
}

#[test]
fn a_missing_segment_is_found() {
    let (files, head) = written(20);
    for name in files.keys() {
        let mut changed = files.clone();
        changed.remove(name);
        let (_, chain) = read(&changed);
        assert!(!damage(&changed).is_empty() || chain.head != head, "{name}");
    }
    let mut renamed = files.clone();
    let last = renamed.pop_last().unwrap().1;
    renamed.insert(segment_name(77), last);
    assert!(!damage(&renamed).is_empty());
}

#[test]
fn a_torn_tail_is_told_and_the_chain_goes_on() {
    let (files, _) = written(4);
    let (name, bytes) = files.last_key_value().unwrap();
    let last = frames(bytes).pop().unwrap();
    for cut in 1..last.len() {
        let mut torn = files.clone();
        torn.insert(name.clone(), bytes[..bytes.len() - cut].to_vec());
        assert_eq!(damage(&torn).len(), 1, "before the writer tells: {cut}");
        let disk = Memory::of(&torn);
        let mut log = open(&disk, LIMITS).unwrap();
        log.append(9, kind("later")).unwrap();
        let files = disk.files.borrow().clone();
        assert_eq!(damage(&files), [""; 0], "{cut}");
        assert_eq!(texts(&files).len(), 4);
        let told = read(&files).0.into_iter().find_map(|entry| {
            let Kind::Torn(torn) = entry.record?.kind? else { return None };
            Some(torn.bytes)
        });
        assert_eq!(told, Some((last.len() - cut) as u64));
        // What was left may not be changed either.
        let mut changed = files.clone();
        *changed.get_mut(name).unwrap().last_mut().unwrap() ^= 1;
        assert!(!damage(&changed).is_empty(), "{cut}");
    }
}

#[test]
fn a_crash_at_any_write_loses_and_doubles_nothing() {
    for keep in [2, 1000] {
        let limits = Limits { keep, ..LIMITS };
        for (point, part) in (0..60).flat_map(|point| [(point, 0), (point, 1), (point, 50)]) {
            let disk = Memory::default();
            *disk.left.borrow_mut() = Some((point, part));
            let mut told = 0;
            if let Ok(mut log) = open(&disk, limits) {
                while told < 25 && log.append(5, kind(&format!("{told}"))).is_ok() {
                    told += 1;
                }
            }
            *disk.left.borrow_mut() = None;
            let seen = RefCell::new(Vec::new());
            let mut log = Log::open(disk.clone(), limits, 1, &mut |entry| {
                seen.borrow_mut().extend(entry.record.and_then(|record| record.kind));
            })
            .unwrap();
            // A record that was not answered for may be there all the same.
            let next = seen.borrow().iter().rev().find_map(text);
            let next = next.map_or(0, |text| text.parse::<u32>().unwrap() + 1);
            assert!(next == told || next == told + 1, "{point} {part}: {next} {told}");
            for number in next..30 {
                log.append(6, kind(&format!("{number}"))).unwrap();
            }
            let files = disk.files.borrow().clone();
            assert_eq!(damage(&files), [""; 0], "{point} {part} {keep}");
            let last: Vec<u32> = texts(&files).iter().map(|text| text.parse().unwrap()).collect();
            assert!(last.windows(2).all(|two| two[0] + 1 == two[1]), "{last:?}");
            assert_eq!(last.last(), Some(&29));
        }
    }
}

#[test]
fn old_segments_go_and_the_chain_says_so() {
    let disk = Memory::default();
    let mut log = open(&disk, LIMITS).unwrap();
    for number in 0..100 {
        log.append(5, kind(&format!("{number}"))).unwrap();
    }
    let files = disk.files.borrow().clone();
    assert_eq!(files.len(), 3);
    let (_, chain) = read(&files);
    assert!(chain.first > 80, "{chain:?}");
    assert_eq!(damage(&files), [""; 0]);
    let mut changed = files.clone();
    changed.pop_first();
    assert!(damage(&changed)[0].contains("not by retention"));
}

#[cfg(feature = "rpc")]
#[test]
fn a_head_travels_as_metadata() {
    let mut metadata = tonic::metadata::MetadataMap::new();
    assert_eq!(carried(&metadata), None);
    let head = AuditHead { number: 7, hash: vec![3; 32] };
    carry(&mut metadata, &head);
    assert_eq!(carried(&metadata), Some(head));
    carry(&mut metadata, &AuditHead { number: 7, hash: vec![3; 31] });
    assert_eq!(carried(&metadata), None);
}
