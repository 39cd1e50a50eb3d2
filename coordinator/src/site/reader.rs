//! Reads a configuration so that all its mistakes come out at once: wrong values, missing
//! ones, and unknown keys with the nearest known one. Knows no key itself.

use std::fmt;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, e.g. "listen.api"; empty: the whole file.
    pub place: String,
    /// What, and what is expected.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return f.write_str(&self.text);
        }
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// All of them; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.0.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// One table of a configuration. Each key is taken out once; what is left is unknown.
pub(super) struct Reader<'m> {
    place: String,
    table: Table,
    known: Vec<&'static str>,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'m> Reader<'m> {
    /// The whole file.
    pub(super) fn new(text: &str, mistakes: &'m mut Vec<Mistake>) -> Self {
        let table = text.parse().unwrap_or_else(|error: toml::de::Error| {
            mistakes.push(Mistake {
                place: String::new(),
                text: error.to_string().trim_end().to_owned(),
            });
            Table::new()
        });
        Self { place: String::new(), table, known: Vec::new(), mistakes }
    }

    /// A table within; empty if it is missing.
    pub(super) fn section(&mut self, key: &'static str) -> Reader<'_> {
        let place = self.place_of(key);
        let table = match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.mistake(key, "a table is expected".to_owned());
                Table::new()
            }
        };
        Reader { place, table, known: Vec::new(), mistakes: self.mistakes }
    }

    /// A value that may be missing. `None` if it is missing or wrong.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key)?;
        match value.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(key, error.to_string().trim().replace('\n', " "));
                None
            }
        }
    }

    /// A value that must be there. `None` if it is missing or wrong: a mistake either way.
    pub(super) fn required<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            self.mistake(key, "is missing".to_owned());
            return None;
        }
        self.optional(key)
    }

    /// A value is there, and is not good.
    pub(super) fn mistake(&mut self, key: &str, text: String) {
        let place = self.place_of(key);
        self.mistakes.push(Mistake { place, text });
    }

    /// All known keys have been taken: what is left is unknown.
    pub(super) fn finish(mut self) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            let text = match nearest(&key, &self.known) {
                Some(known) => format!("unknown key; the nearest known one is {known:?}"),
                None => "unknown key".to_owned(),
            };
            self.mistake(&key, text);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}

fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    known.iter().copied().min_by_key(|candidate| distance(key, candidate))
}

/// How many letters must be changed, put in or taken out.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            let change = diagonal + usize::from(x != y);
            left = change.min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_the_nearest() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("kitten", "sitting", 3),
            ("listn", "listen", 1),
            ("abc", "abc", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
        assert_eq!(nearest("sokcet", &["api", "socket"]), Some("socket"));
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let mut mistakes = Vec::new();
        let text = "numbr = 1\nother = 'x'\n[inner]\na = 5\nbb = 1\n";
        let mut reader = Reader::new(text, &mut mistakes);
        assert_eq!(reader.required::<u32>("number"), None);
        assert_eq!(reader.optional::<u32>("other"), None);
        let mut inner = reader.section("inner");
        assert_eq!(inner.optional::<u32>("a"), Some(5));
        assert_eq!(inner.optional::<u32>("b"), None);
        inner.finish();
        reader.finish();
        let shown: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "number: is missing",
                "other: invalid type: string \"x\", expected u32",
                "inner.bb: unknown key; the nearest known one is \"b\"",
                "numbr: unknown key; the nearest known one is \"number\"",
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_toml_says_where() {
        let mut mistakes = Vec::new();
        Reader::new("a = \n", &mut mistakes).finish();
        let [only] = mistakes.as_slice() else { panic!("{mistakes:?}") };
        assert!(only.text.contains("line 1"), "{only}");
    }
}
