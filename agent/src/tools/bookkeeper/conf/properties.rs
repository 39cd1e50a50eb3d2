//! Java properties as BookKeeper reads its configuration (commons-configuration): comments, separators, escapes, continued lines.
//! Text in, keys and values out. Must not know what a key means.

use std::iter::Peekable;

/// A configuration is not longer, lines as they are read.
const MOST_LINES: usize = 20_000;

/// A text that is no properties file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// It is not in UTF-8.
    #[error("it is not text in UTF-8")]
    NoText,
    /// `\u` without four digits.
    #[error("line {0}: \\u is not followed by four hexadecimal digits")]
    BadEscape(usize),
    /// Nobody writes so much.
    #[error("it has more than {MOST_LINES} lines")]
    TooLong,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Unescaped.
    pub key: String,
    /// Unescaped, without blanks at its ends. `${...}` as it stands.
    pub value: String,
}

/// Reads all of it, in its order.
///
/// # Errors
/// If it cannot be read; nothing is guessed.
pub fn read(bytes: &[u8]) -> Result<Vec<Property>, PropertiesError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PropertiesError::NoText)?;
    if text.lines().count() > MOST_LINES {
        return Err(PropertiesError::TooLong);
    }
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let mut line = line.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while is_continued(&line) {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push_str(next.trim());
        }
        found.push(property(&line).ok_or(PropertiesError::BadEscape(number + 1))?);
    }
    Ok(found)
}

/// An odd number of backslashes at its end.
fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// `None`: an escape that is none.
fn property(line: &str) -> Option<Property> {
    let mut rest = line.chars().peekable();
    let key = unescaped(&mut rest, |c| matches!(c, '=' | ':') || c.is_whitespace())?;
    let skip_blanks = |rest: &mut Peekable<std::str::Chars<'_>>| {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
    };
    skip_blanks(&mut rest);
    if rest.next_if(|c| matches!(c, '=' | ':')).is_some() {
        skip_blanks(&mut rest);
    }
    let value = unescaped(&mut rest, |_| false)?;
    Some(Property { key, value: value.trim().to_owned() })
}

/// Up to a character that ends it, which stays.
fn unescaped(
    rest: &mut Peekable<std::str::Chars<'_>>,
    ends: impl Fn(char) -> bool,
) -> Option<String> {
    let mut text = String::new();
    while let Some(c) = rest.next_if(|c| !ends(*c)) {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('f') => text.push('\u{c}'),
            Some('u') => text.push(code_point(rest)?),
            Some(other) => text.push(other),
            None => {}
        }
    }
    Some(text)
}

fn code_point(rest: &mut Peekable<std::str::Chars<'_>>) -> Option<char> {
    let mut number = 0;
    for _ in 0..4 {
        number = number * 16 + rest.next()?.to_digit(16)?;
    }
    // Half of a pair means nothing by itself, and no setting needs one.
    Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        read(text.as_bytes()).unwrap().into_iter().map(|p| (p.key, p.value)).collect()
    }

    fn pair(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn keys_and_values_are_read_as_java_reads_them() {
        for text in ["a=b", "a = b ", "a:b", "a b", "  a\t:  b", "a= b\r\n"] {
            assert_eq!(pair(text), ("a".into(), "b".into()), "{text:?}");
        }
        assert_eq!(pair("a"), ("a".into(), "".into()));
        assert_eq!(pair("a=b=c d"), ("a".into(), "b=c d".into()));
        assert_eq!(pair(r"a\=b\ c=d"), ("a=b c".into(), "d".into()));
        assert_eq!(pair(r"a=\u00e9\t\\\q"), ("a".into(), "é\t\\q".into()));
        assert_eq!(pair("a=1,\\\n    2,\\\n  3"), ("a".into(), "1,2,3".into()));
        assert_eq!(pair("a=b\\\\"), ("a".into(), "b\\".into()));
        assert_eq!(pair("a=b\\"), ("a".into(), "b".into()));
        assert_eq!(pairs("# a=b\n! c\n\n   \n"), []);
        assert_eq!(pair("a=${b}"), ("a".into(), "${b}".into()));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert_eq!(read(b"\xff=1"), Err(PropertiesError::NoText));
        assert_eq!(read(b"b=1\na=\\u12"), Err(PropertiesError::BadEscape(2)));
        assert_eq!(read("a\n".repeat(20_001).as_bytes()), Err(PropertiesError::TooLong));
    }

    proptest! {
        #[test]
        fn random_text_ends_well(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn lines_of_odd_characters_are_read(text in r"[a=:\\#! \nu0-9$]{0,80}") {
            for property in read(text.as_bytes()).unwrap_or_default() {
                prop_assert_eq!(property.value.trim(), property.value.as_str());
            }
        }
    }
}
