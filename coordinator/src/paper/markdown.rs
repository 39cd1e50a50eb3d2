//! A document as Markdown (CommonMark with tables). Foreign text cannot become markup.

use std::fmt::Write as _;

use super::{Block, Document, Lang, Table, Topology};
use crate::cli::text::escape;

/// The whole document.
pub fn markdown(document: &Document) -> String {
    let mut out = format!("# {}\n", inline(&document.title));
    for block in &document.blocks {
        out.push('\n');
        one(&mut out, block, document.lang);
    }
    out
}

fn one(out: &mut String, block: &Block, lang: Lang) {
    // Writing to a String does not fail.
    let _ = match block {
        Block::Heading(text) => writeln!(out, "## {}", inline(text)),
        Block::Subheading(text) => writeln!(out, "### {}", inline(text)),
        Block::Text(text) => writeln!(out, "{}", inline(text)),
        Block::Warning(text) => writeln!(out, "> **{}**", inline(text)),
        Block::Facts(facts) => {
            facts.iter().filter(|(_, value)| !value.is_empty()).try_for_each(|(name, value)| {
                writeln!(out, "- **{}**: {}", inline(name), inline(value))
            })
        }
        Block::List(items) => items.iter().try_for_each(|item| writeln!(out, "- {}", inline(item))),
        Block::Table(rows) => {
            table(out, rows);
            Ok(())
        }
        Block::Commands(lines) => fenced(out, "sh", lines),
        Block::Changes(lines) => fenced(out, "diff", lines),
        Block::Topology(topology) => {
            both(out, topology, lang);
            Ok(())
        }
    };
}

fn table(out: &mut String, table: &Table) {
    let line = |out: &mut String, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell_text(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    };
    line(out, &table.head);
    let _ = writeln!(out, "|{}", "---|".repeat(table.head.len()));
    table.rows.iter().for_each(|row| line(out, &row.cells));
}

fn cell_text(cell: &str) -> String {
    if cell.is_empty() { "–".to_owned() } else { inline(cell) }
}

fn both(out: &mut String, topology: &Topology, lang: Lang) {
    let [before, after] = &topology.titles;
    for (title, views) in [(before, &topology.before), (after, &topology.after)] {
        let _ = writeln!(out, "### {}\n", inline(title));
        table(out, &super::plan::members(lang, views));
        out.push('\n');
    }
}

/// Lines as they are, within a fence that none of them can end.
fn fenced(out: &mut String, kind: &str, lines: &[String]) -> std::fmt::Result {
    let longest = lines.iter().map(|line| longest_run(line, '`')).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    writeln!(out, "{fence}{kind}")?;
    lines.iter().try_for_each(|line| writeln!(out, "{}", escape(line)))?;
    writeln!(out, "{fence}")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

/// Text without a meaning of its own.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '&' | '#' | '~' | '$')
        {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(inline("a|b <i> [x](y) `z` *\n"), "a\\|b \\<i\\> \\[x\\](y) \\`z\\` \\*\\\\n");
        let mut out = String::new();
        assert!(fenced(&mut out, "sh", &["a ``` b".to_owned()]).is_ok());
        assert_eq!(out, "````sh\na ``` b\n````\n");
    }
}
