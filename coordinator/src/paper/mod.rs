//! The plan on paper, and the report of what became of it: one file for a change request that needs
//! neither network nor Bellows to be read. Pure: from the API's messages to text. Knows no coordinator,
//! no system and no terminal.

mod html;
mod json;
mod lang;
mod manual;
mod markdown;
mod member;
mod plan;
mod report;
mod sentences;
mod steps;
mod svg;
mod told;

use bellows_proto::v1::MemberView;

pub use html::html;
pub use json::json;
pub use lang::{Lang, Style};
pub use markdown::markdown;
pub use plan::plan;
pub use report::report;
pub use sentences::translated as in_chinese;

/// A document in the making: what it says, not how it looks.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Document {
    /// Its language.
    pub lang: Lang,
    /// What stands above all.
    pub title: String,
    /// In this order.
    pub blocks: Vec<Block>,
}

/// A piece of a document. All texts are as they came: whoever renders them escapes them.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Block {
    /// Begins a section.
    Heading(String),
    /// Begins a part of a section.
    Subheading(String),
    /// A paragraph.
    Text(String),
    /// A paragraph that must not be overlooked.
    Warning(String),
    /// Names and values; those without a value are left out.
    Facts(Vec<(String, String)>),
    /// One sentence each.
    List(Vec<String>),
    /// Rows under headings.
    Table(Table),
    /// Lines to be typed.
    Commands(Vec<String>),
    /// Lines of files that begin with "+ " or "- ".
    Changes(Vec<String>),
    /// Members before and after.
    Topology(Topology),
}

/// Rows under headings.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Table {
    /// One per column.
    pub head: Vec<String>,
    /// Each as long as `head`.
    pub rows: Vec<Row>,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Row {
    /// How it is marked.
    pub mark: Mark,
    /// An empty one is shown as "–".
    pub cells: Vec<String>,
}

/// What a row says to the eye; never by colour alone: the words say it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// Nothing special.
    Plain,
    /// As wanted.
    Good,
    /// Not as wanted.
    Bad,
}

/// Members before and after.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Topology {
    /// Headings of both.
    pub titles: [String; 2],
    /// As seen.
    #[serde(serialize_with = "member::views")]
    pub before: Vec<MemberView>,
    /// As planned, or as seen in the end.
    #[serde(serialize_with = "member::views")]
    pub after: Vec<MemberView>,
}

impl Document {
    fn new(style: &Style, title: String) -> Self {
        Self { lang: style.lang, title, blocks: Vec::new() }
    }

    fn add(&mut self, block: Block) {
        self.blocks.push(block);
    }

    fn heading(&mut self, text: impl Into<String>) {
        self.add(Block::Heading(text.into()));
    }

    fn text(&mut self, text: impl Into<String>) {
        self.add(Block::Text(text.into()));
    }

    /// Nothing where there are no rows.
    fn table(&mut self, head: &[&str], rows: Vec<Row>) {
        if !rows.is_empty() {
            let head = head.iter().map(|cell| (*cell).to_owned()).collect();
            self.add(Block::Table(Table { head, rows }));
        }
    }
}

impl Row {
    fn new<const N: usize>(mark: Mark, cells: [&str; N]) -> Self {
        Self { mark, cells: cells.iter().map(|cell| (*cell).to_owned()).collect() }
    }
}
