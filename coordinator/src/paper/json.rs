//! A document as data.

use serde::Serialize;

use super::{Block, Document, Lang};

/// Of this form of JSON. Raised when a reader would have to change.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Paper<'a, M> {
    format: u32,
    lang: Lang,
    title: &'a str,
    /// What it was made from, in the API's own form.
    source: &'a M,
    blocks: &'a [Block],
}

/// Indented JSON with what the document was made from (a plan or an operation, as `--output json`
/// prints them) and all its blocks.
///
/// # Errors
/// If the source has no JSON: a number of a newer version.
pub fn json<M: Serialize>(document: &Document, source: &M) -> Result<String, serde_json::Error> {
    let Document { lang, title, blocks } = document;
    let paper = Paper { format: FORMAT, lang: *lang, title, source, blocks };
    let mut text = serde_json::to_string_pretty(&paper)?;
    text.push('\n');
    Ok(text)
}
