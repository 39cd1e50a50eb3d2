//! Plain words on the terminal: what happens and when, and small aligned tables.

use std::time::Instant;

/// Tells the story of a run, with the seconds since it began.
#[derive(Debug, Clone, Copy)]
pub struct Narrator {
    began: Instant,
}

impl Default for Narrator {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Narrator {
    /// A new part of the story.
    pub fn chapter(&self, title: &str) {
        println!("\n== {title}");
    }

    /// One sentence.
    pub fn say(&self, sentence: &str) {
        println!("[{:5.1} s] {sentence}", self.began.elapsed().as_secs_f64());
    }

    /// Lines of somebody else's words, set in.
    pub fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("          | {line}");
        }
    }

    /// Seconds since it began.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

/// A table with a head, columns aligned.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut lines = vec![head.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend_from_slice(rows);
    let mut widths = vec![0; head.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let render = |line: &Vec<String>| {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(render).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["1".to_owned(), "pg1".to_owned(), "primary".to_owned()],
            vec!["10".to_owned(), "p".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["id", "node", "role"], &rows),
            "id  node  role\n1   pg1   primary\n10  p"
        );
    }
}
