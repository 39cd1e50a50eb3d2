//! csv as tools print it: whole outputs, all in memory.
//!
//! A reader's table of transitions costs more to make than most outputs take to read: it is made once.

use std::cell::RefCell;

use csv::{Position, StringRecord};
use csv_core::{ReadRecordResult, Reader};

thread_local! {
    /// Begins anew with each output. A copy of it would have no table.
    static READER: RefCell<Reader> = RefCell::new(Reader::new());
}
/// Room for so many fields of a record at first.
const FIELDS: usize = 32;

/// A field is no UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record that begins in line {line} is no UTF-8")]
pub struct NotText {
    /// Where the record begins, from 1.
    pub line: u64,
}

/// All records, each of as many fields as it has, with its position; empty lines are left out. A quote that is not
/// closed takes the rest for its field.
///
/// # Errors
/// If a field is no UTF-8.
pub fn records(bytes: &[u8]) -> Result<Vec<StringRecord>, NotText> {
    READER.with_borrow_mut(|reader| {
        reader.reset();
        all(reader, bytes)
    })
}

fn all(reader: &mut Reader, bytes: &[u8]) -> Result<Vec<StringRecord>, NotText> {
    let mut records = Vec::new();
    // No record is longer than what it is made of, and none needs more ends than it has bytes and one.
    let mut output = vec![0; bytes.len()];
    let mut ends = vec![0; FIELDS];
    let mut rest = bytes;
    loop {
        let (at, line) = (bytes.len() - rest.len(), reader.line());
        let (mut filled, mut fields) = (0, 0);
        loop {
            let room = output.get_mut(filled..).unwrap_or_default();
            let marks = ends.get_mut(fields..).unwrap_or_default();
            let (result, read, written, ended) = reader.read_record(rest, room, marks);
            rest = rest.get(read..).unwrap_or_default();
            (filled, fields) = (filled + written, fields + ended);
            match result {
                // The next call has no input, which is its end.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => output.resize(output.len() * 2 + 1, 0),
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(records),
            }
        }
        let text = output.get(..filled).and_then(|filled| std::str::from_utf8(filled).ok());
        let text = text.ok_or(NotText { line })?;
        let ends = ends.get(..fields).unwrap_or_default();
        let mut record = StringRecord::with_capacity(filled, fields);
        let mut from = 0;
        for end in ends {
            record.push_field(text.get(from..*end).ok_or(NotText { line })?);
            from = *end;
        }
        let mut position = Position::new();
        position.set_byte(u64::try_from(at).unwrap_or(u64::MAX)).set_line(line);
        record.set_position(Some(position));
        records.push(record);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NotText, records};

    #[test]
    fn a_field_that_is_no_text_is_told_with_its_line() {
        assert_eq!(records(b"a,b\nc,\xff\n"), Err(NotText { line: 2 }));
        // Two halves of one letter.
        assert_eq!(records("a,\u{e9}".as_bytes()).map(|all| all.len()), Ok(1));
        assert_eq!(records(b"\xc3,\xa9\n"), Err(NotText { line: 1 }));
    }

    #[test]
    fn a_record_may_have_many_fields() {
        let line = vec!["x"; 100].join(",");
        let found = records(format!("{line}\n").as_bytes()).unwrap();
        assert_eq!(found.first().map(csv::StringRecord::len), Some(100));
    }

    proptest! {
        /// As the reader of the csv crate does, of which only the making was too long.
        #[test]
        fn records_and_positions_are_those_of_the_csv_crate(
            text in "([a-c\u{e9}]{0,3}[,\"\r\n]{0,2}){0,40}",
        ) {
            let expected: Vec<csv::StringRecord> = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes())
                .into_records()
                .collect::<Result<_, _>>()
                .unwrap();
            let found = records(text.as_bytes()).unwrap();
            prop_assert_eq!(&found, &expected);
            let at = |record: &csv::StringRecord| {
                record.position().map(|at| (at.byte(), at.line()))
            };
            prop_assert!(found.iter().map(at).eq(expected.iter().map(at)));
        }
    }
}
