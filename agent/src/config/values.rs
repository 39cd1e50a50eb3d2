//! Checks of single values; mistakes are collected, not returned one by one.

use camino::{Utf8Component, Utf8PathBuf};

/// Collects mistakes.
#[derive(Debug, Default)]
pub(super) struct Checker {
    mistakes: Vec<String>,
}

impl Checker {
    pub(super) fn mistake(&mut self, text: impl Into<String>) {
        self.mistakes.push(text.into());
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.mistakes
    }

    /// Keeps the value or notes why it is none.
    pub(super) fn keep<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|error| self.mistake(format!("{key}: {error}"))).ok()
    }

    /// A name of a user of the host; whether it exists is asked when it is used.
    pub(super) fn user(&mut self, key: &str, name: &str) -> Option<String> {
        let good = !name.is_empty()
            && name.len() <= 32
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if !good {
            self.mistake(format!("{key}: {name:?} is no name of a user"));
            return None;
        }
        Some(name.to_owned())
    }
}

/// An absolute path in plain form, that needs no quoting in any file that we render.
pub(super) fn absolute(checker: &mut Checker, key: &str, text: &str) -> Option<Utf8PathBuf> {
    let path = Utf8PathBuf::from(text);
    let plain = path
        .components()
        .all(|component| matches!(component, Utf8Component::RootDir | Utf8Component::Normal(_)));
    let quiet = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'+'));
    if !path.is_absolute() || !plain || !quiet || text.ends_with('/') {
        checker.mistake(format!(
            "{key}: {text:?} must be an absolute path of A-Z a-z 0-9 . _ - + without \"..\" and without a slash at its end"
        ));
        return None;
    }
    Some(path)
}

/// The longest name of a unit.
const LONGEST_UNIT: usize = 200;

/// A service, not a template: `postgresql@15-main.service`.
pub(super) fn is_unit(text: &str) -> bool {
    let Some(name) = text.strip_suffix(".service") else { return false };
    let inner =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | ':' | '\\');
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= LONGEST_UNIT
        && name.starts_with(first)
        && name.chars().all(inner)
        && !name.ends_with('@')
}
