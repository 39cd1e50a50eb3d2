//! How keys are made. Texts end in a zero byte, numbers are big-endian, so that keys sort by
//! what they mean and no key of several pieces runs into another.

use uuid::Uuid;

use super::StoreError;

/// The bytes of an operation's id.
pub(super) type OperationKey = [u8; 16];

/// Reads an operation's id.
///
/// # Errors
/// If it is not a UUIDv7 in lower-case hyphenated form: no other sorts by time, and no other
/// comes back as the same text.
pub(super) fn operation(id: &str) -> Result<OperationKey, StoreError> {
    Uuid::try_parse(id)
        .ok()
        .filter(|uuid| uuid.get_version_num() == 7 && uuid.hyphenated().to_string() == id)
        .map(Uuid::into_bytes)
        .ok_or_else(|| StoreError::OperationId(id.chars().take(80).collect()))
}

/// Where an event is: its operation, then its number.
pub(super) fn event(operation: &OperationKey, sequence: u64) -> Vec<u8> {
    [operation.as_slice(), &sequence.to_be_bytes()].concat()
}

/// The id of an operation.
pub(super) fn operation_id(operation: &OperationKey) -> String {
    Uuid::from_bytes(*operation).hyphenated().to_string()
}

/// When an operation's id was made: milliseconds since 1970 (the first 48 bits of a UUIDv7).
pub(super) fn made_at_ms(operation: &OperationKey) -> i64 {
    operation.iter().take(6).fold(0, |time, byte| time << 8 | i64::from(*byte))
}

/// After all events of an operation, before those of the next one.
pub(super) fn after_events(operation: &OperationKey) -> Vec<u8> {
    [operation.as_slice(), &[0xff; 16]].concat()
}

/// Where it is noted that an operation is unfinished.
pub(super) fn open(operation: &OperationKey) -> Vec<u8> {
    [OPEN, operation].concat()
}

/// A text of one kind, e.g. a host by its name.
pub(super) fn text(kind: u8, text: &str) -> Vec<u8> {
    [&[kind], text.as_bytes(), &[0]].concat()
}

/// One version of a cluster's spec.
pub(super) fn spec_version(cluster: &str, version: u64) -> Vec<u8> {
    let mut key = text(SPEC_VERSION, cluster);
    key.extend(version.to_be_bytes());
    key
}

/// Whether a key of texts is a first piece, not a further one.
pub(super) fn is_whole_text(key: &[u8]) -> bool {
    key.iter().position(|byte| *byte == 0).is_some_and(|at| at + 1 == key.len())
}

/// The text in a key made by [`text`].
pub(super) fn read_text(key: &[u8]) -> String {
    let text = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// In the tree of specs: the newest version of a cluster.
pub(super) const SPEC_NEWEST: u8 = b'n';
/// In the tree of specs: a version of a cluster.
pub(super) const SPEC_VERSION: u8 = b'v';
/// In the tree of the inventory: a host.
pub(super) const HOST: u8 = b'h';
/// In the tree of the inventory: the token for a host.
pub(super) const TOKEN: u8 = b't';
/// In the tree of the inventory: a key that is revoked, by its fingerprint in hexadecimal.
pub(super) const REVOKED: u8 = b'r';
/// In the tree of the inventory: a certificate of a user, by its key in hexadecimal.
pub(super) const ACCESS: u8 = b'a';
/// In the tree of the inventory: the last status of a cluster.
pub(super) const OBSERVATION: u8 = b'o';
/// In the tree of locks: a resource.
pub(super) const LOCK: u8 = b'l';
/// In the tree of the store's own facts: id, site, term.
pub(super) const META: &[u8] = b"store";
/// In the same tree: the doubt that stands.
pub(super) const DOUBT: &[u8] = b"doubt";
/// In the same tree: the doubt that was settled last.
pub(super) const SETTLED: &[u8] = b"settled";
/// In the same tree: the number of the last durable commit.
pub(super) const COMMIT: &[u8] = b"commit";
/// In the same tree, with the bytes of an operation's id behind it: it is unfinished.
pub(super) const OPEN: &[u8] = b"open/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_uuid_v7_are_operations() {
        let id = Uuid::new_v7(uuid::Timestamp::from_unix_time(1, 2, 0, 0)).to_string();
        assert_eq!(operation(&id).unwrap().len(), 16);
        for bad in [
            "",
            "x",
            "00000000-0000-4000-8000-000000000000",
            &id.to_uppercase(),
            &id.replace('-', ""),
        ] {
            assert!(operation(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn events_sort_by_number_and_texts_never_run_into_each_other() {
        let id = [7; 16];
        assert!(event(&id, 255) < event(&id, 256));
        assert!(is_whole_text(&text(HOST, "h1")));
        let piece = [text(HOST, "h1").as_slice(), &[0, 1]].concat();
        assert!(!is_whole_text(&piece));
        assert!(!is_whole_text(b""));
    }
}
