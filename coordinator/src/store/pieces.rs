//! Values: one format byte and the encoded message, split into several keys where it is long.
//!
//! sled keeps a page (a leaf with up to some twenty keys and their values) in its log, unless
//! the page is longer than a quarter of a segment (128 KiB): then in a file under `blobs/`,
//! which nobody ever syncs. So not only a single value must be short, but twenty neighbours
//! together. Pieces of 4 KiB keep a full page at about 90 KiB.

use sled::{
    IVec,
    transaction::{TransactionalTree, UnabortableTransactionError},
};

use super::StoreError;

/// The format of all values: the only one so far.
pub(super) const FORMAT: u8 = 1;
/// Set in the format byte of every piece but the last.
const MORE: u8 = 0x80;
/// A piece has at most so many bytes, its format byte not counted.
const PIECE_BYTES: usize = 4096;

/// No value is longer than this.
pub const MAX_VALUE_BYTES: usize = 16 << 20;

/// Writes a value under `key`, and removes what is left of a longer one.
pub(super) fn put<E>(
    tree: &TransactionalTree,
    key: &[u8],
    value: &[u8],
    what: &dyn Fn() -> String,
) -> Result<(), E>
where
    E: From<StoreError> + From<UnabortableTransactionError>,
{
    if value.len() > MAX_VALUE_BYTES {
        return Err(E::from(StoreError::TooLarge { what: what(), bytes: value.len() }));
    }
    let mut rest = value;
    let mut number = 0;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(PIECE_BYTES));
        let format = if after.is_empty() { FORMAT } else { FORMAT | MORE };
        tree.insert(piece_key(key, number), [&[format], piece].concat())?;
        number += 1;
        rest = after;
        if rest.is_empty() {
            return remove_from(tree, key, number);
        }
    }
}

/// Removes a value with all its pieces.
pub(super) fn remove<E>(tree: &TransactionalTree, key: &[u8]) -> Result<(), E>
where
    E: From<UnabortableTransactionError>,
{
    remove_from(tree, key, 0)
}

fn remove_from<E>(tree: &TransactionalTree, key: &[u8], first: u16) -> Result<(), E>
where
    E: From<UnabortableTransactionError>,
{
    let mut number = first;
    while tree.remove(piece_key(key, number))?.is_some() {
        number += 1;
    }
    Ok(())
}

/// Reads a value through `get`, which looks up one key.
///
/// # Errors
/// If `get` fails, a piece is missing, or the format is not known.
pub(super) fn read<E: From<StoreError>>(
    get: impl Fn(&[u8]) -> Result<Option<IVec>, E>,
    key: &[u8],
    what: &dyn Fn() -> String,
) -> Result<Option<Vec<u8>>, E> {
    let damaged = |reason| StoreError::Damaged { what: what(), reason };
    let mut value = Vec::new();
    for number in 0..=u16::MAX {
        let Some(stored) = get(&piece_key(key, number))? else {
            if number == 0 {
                return Ok(None);
            }
            return Err(E::from(damaged("a piece of it is missing")));
        };
        let Some((format, piece)) = stored.split_first() else {
            return Err(E::from(damaged("a piece of it is empty")));
        };
        if format & !MORE != FORMAT {
            return Err(E::from(StoreError::Format { what: what(), found: format & !MORE }));
        }
        value.extend_from_slice(piece);
        if format & MORE == 0 {
            return Ok(Some(value));
        }
    }
    Err(E::from(damaged("it has no end")))
}

/// The first piece has the key itself, further ones have their number behind it.
fn piece_key(key: &[u8], number: u16) -> Vec<u8> {
    let mut whole = key.to_vec();
    if number > 0 {
        whole.extend(number.to_be_bytes());
    }
    whole
}
