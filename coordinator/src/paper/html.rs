//! A document as one HTML file: no script, no font, no picture, nothing from elsewhere. Light and dark
//! as the reader has it, black on white on paper. Foreign text cannot become markup.

use std::fmt::Write as _;

use super::{
    Block, Document, Lang, Mark, Table, Topology,
    svg::{Other, svg},
};
use crate::cli::text::escape;

/// Nothing is loaded and nothing runs, whatever a text tries.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const CSS: &str = include_str!("paper.css");

/// The whole document.
pub fn html(document: &Document) -> String {
    let Document { lang, title, blocks } = document;
    let title = escaped(title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        lang.tag()
    );
    for block in blocks {
        one(&mut out, block, *lang);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Text as HTML: no markup, no control characters, in attributes too.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn one(out: &mut String, block: &Block, lang: Lang) {
    // Writing to a String does not fail.
    let _ = match block {
        Block::Heading(text) => writeln!(out, "<h2>{}</h2>", escaped(text)),
        Block::Subheading(text) => writeln!(out, "<h3>{}</h3>", escaped(text)),
        Block::Text(text) => writeln!(out, "<p>{}</p>", escaped(text)),
        Block::Warning(text) => writeln!(out, "<p class=\"warning\">{}</p>", escaped(text)),
        Block::Facts(facts) => {
            out.push_str("<dl>\n");
            for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                let (name, value) = (escaped(name), escaped(value));
                let _ = writeln!(out, "<dt>{name}</dt><dd>{value}</dd>");
            }
            writeln!(out, "</dl>")
        }
        Block::List(items) => {
            out.push_str("<ul>\n");
            for item in items {
                let _ = writeln!(out, "<li>{}</li>", escaped(item));
            }
            writeln!(out, "</ul>")
        }
        Block::Table(rows) => {
            table(out, rows);
            Ok(())
        }
        Block::Commands(lines) => lines_of(out, "commands", lines),
        Block::Changes(lines) => lines_of(out, "changes", lines),
        Block::Topology(topology) => {
            both(out, topology, lang);
            Ok(())
        }
    };
}

fn table(out: &mut String, table: &Table) {
    out.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for cell in &table.head {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(cell));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        let class = match row.mark {
            Mark::Plain => "",
            Mark::Good => " class=\"good\"",
            Mark::Bad => " class=\"bad\"",
        };
        let _ = write!(out, "<tr{class}>");
        for cell in &row.cells {
            let cell = if cell.is_empty() { "–".to_owned() } else { escaped(cell) };
            let _ = write!(out, "<td>{cell}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

fn lines_of(out: &mut String, class: &str, lines: &[String]) -> std::fmt::Result {
    write!(out, "<pre class=\"{class}\">")?;
    for line in lines {
        let kind = match line.chars().next() {
            Some('+') if class == "changes" => "plus",
            Some('-') if class == "changes" => "minus",
            Some('#') if class == "commands" => "remark",
            Some(_) | None => "line",
        };
        writeln!(out, "<span class=\"{kind}\">{}</span>", escaped(line))?;
    }
    writeln!(out, "</pre>")
}

fn both(out: &mut String, topology: &Topology, lang: Lang) {
    let [title_before, title_after] = &topology.titles;
    let drawn = [
        (title_before, &topology.before, Other::After(&topology.after)),
        (title_after, &topology.after, Other::Before(&topology.before)),
    ];
    out.push_str("<div class=\"both\">\n");
    for (title, views, other) in drawn {
        let title_text = escaped(title);
        let _ = writeln!(out, "<figure>\n<figcaption>{title_text}</figcaption>");
        out.push_str(&svg(title, views, other));
        table(out, &super::plan::members(lang, views));
        out.push_str("</figure>\n");
    }
    out.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(
            escaped("<script>alert('x & \"y\"')</script>\u{1b}[2J\u{202e}"),
            "&lt;script&gt;alert(&#39;x &amp; &quot;y&quot;&#39;)&lt;/script&gt;\\u{1b}[2J\\u{202e}"
        );
    }
}
