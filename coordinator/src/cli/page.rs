//! A page of text to show: lines and tables with tones. All foreign text goes through here,
//! and is escaped here; colour is added after that. Pure: what it makes is a string.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use owo_colors::{OwoColorize as _, Style};

use super::text::escape;

/// How things may look where the page is shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// Colours may be used.
    pub colour: bool,
    /// Times are shown in this zone.
    pub zone: TimeZone,
}

impl Look {
    /// No colour, times in UTC.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { colour: false, zone: TimeZone::UTC }
    }
}

/// What a piece of text says to the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// A heading.
    Strong,
    /// As wanted.
    Good,
    /// Should be read.
    Warn,
    /// Not as wanted.
    Bad,
    /// Of lesser interest.
    Quiet,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Good => Style::new().green(),
            Self::Warn => Style::new().yellow(),
            Self::Bad => Style::new().red(),
            Self::Quiet => Style::new().dimmed(),
        }
    }
}

/// Text in the making.
#[derive(Debug, Clone)]
pub struct Page {
    look: Look,
    out: String,
}

impl Page {
    /// An empty page.
    pub fn new(look: &Look) -> Self {
        Self { look: look.clone(), out: String::new() }
    }

    /// How it may look.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// One line.
    pub fn line(&mut self, tone: Tone, text: &str) {
        self.spans(&[(tone, text)]);
    }

    /// One line of pieces with tones of their own.
    pub fn spans(&mut self, spans: &[(Tone, &str)]) {
        for (tone, text) in spans {
            self.piece(*tone, text);
        }
        self.out.push('\n');
    }

    /// An empty line, but never at the top and never two.
    pub fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A table, indented.
    pub fn table(&mut self, indent: usize, table: &Table) {
        for (tone, text) in table.lines() {
            let _ = write!(self.out, "{:indent$}", "");
            self.piece(tone, &text);
            self.out.push('\n');
        }
    }

    fn piece(&mut self, tone: Tone, text: &str) {
        let text = escape(text);
        // Writing to a String does not fail.
        let _ = if self.look.colour && tone != Tone::Plain {
            write!(self.out, "{}", text.style(tone.style()))
        } else {
            write!(self.out, "{text}")
        };
    }

    /// The finished text.
    pub fn into_text(self) -> String {
        self.out
    }
}

/// Rows under headings, aligned, without borders.
#[derive(Debug, Clone)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<(Tone, Vec<String>)>,
}

impl Table {
    /// A table without rows.
    pub fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. An empty cell is shown as "-".
    pub fn row(&mut self, tone: Tone, cells: &[&str]) {
        let shown = |cell: &&str| match *cell {
            "" => "-".to_owned(),
            text => escape(text),
        };
        self.rows.push((tone, cells.iter().map(shown).collect()));
    }

    /// One line per row, the headings first.
    fn lines(&self) -> Vec<(Tone, String)> {
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(comfy_table::ContentArrangement::Disabled)
            .set_header(self.headings.clone());
        for (_, cells) in &self.rows {
            table.add_row(cells.clone());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let tones = std::iter::once(Tone::Strong).chain(self.rows.iter().map(|(tone, _)| *tone));
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        tones.zip(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_escaped() {
        let mut table = Table::new(&["NODE", "STATE"]);
        table.row(Tone::Plain, &["pg1", "running"]);
        table.row(Tone::Bad, &["a-long-name", "gone\u{1b}[2J\nNODE"]);
        table.row(Tone::Plain, &["pg2", ""]);
        let mut page = Page::new(&Look::plain());
        page.table(2, &table);
        assert_eq!(
            page.into_text(),
            "  NODE         STATE\n  pg1          running\n  a-long-name  gone\\u{1b}[2J\\nNODE\n  pg2          -\n"
        );
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        let coloured = Look { colour: true, zone: TimeZone::UTC };
        let mut page = Page::new(&coloured);
        page.line(Tone::Bad, "held");
        assert_eq!(page.into_text(), "\u{1b}[31mheld\u{1b}[0m\n");
        let mut page = Page::new(&Look::plain());
        page.line(Tone::Bad, "held");
        page.gap();
        page.gap();
        assert_eq!(page.into_text(), "held\n\n");
    }
}
