//! Where text goes: data on standard output, the rest on standard error. Colour only on a
//! terminal and without `NO_COLOR`; a reader that has gone is no error.

use std::io::{self, IsTerminal as _};

use jiff::tz::TimeZone;

use super::{
    exit::{Exit, Failure},
    page::{Look, Page},
};

/// Columns of a terminal that does not say how many it has.
const USUAL_WIDTH: usize = 80;
/// A terminal that is narrower than this is not believed.
const LEAST_WIDTH: usize = 20;

/// The form of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// The proto3 JSON of the API's messages.
    Json,
}

/// Both streams and how they may look.
#[derive(Debug, Clone)]
pub struct Output {
    format: Format,
    out: Look,
    err: Look,
    live: bool,
}

impl Output {
    /// Looks at the terminal and the environment once.
    pub fn new(format: Format) -> Self {
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let wanted = able && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let zone = TimeZone::system();
        let err_terminal = io::stderr().is_terminal();
        Self {
            format,
            out: Look { colour: wanted && io::stdout().is_terminal(), zone: zone.clone() },
            err: Look { colour: wanted && err_terminal, zone },
            live: able && err_terminal,
        }
    }

    /// Data are JSON.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Standard error is a terminal on which lines can be overwritten.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// An empty page for standard output.
    pub fn page(&self) -> Page {
        Page::new(&self.out)
    }

    /// An empty page for standard error.
    pub fn note_page(&self) -> Page {
        Page::new(&self.err)
    }

    /// Data for people.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn show(&self, page: Page) -> Result<(), Failure> {
        write(io::stdout().lock(), page.into_text().as_bytes())
    }

    /// Data as one line of JSON.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn json<M: serde::Serialize>(&self, message: &M) -> Result<(), Failure> {
        let mut text = serde_json::to_vec(message).map_err(|e| {
            Failure::new(Exit::BeforeFirstAct, format!("no JSON: {e}"), "report this as a bug")
        })?;
        text.push(b'\n');
        write(io::stdout().lock(), &text)
    }

    /// JSON of a message where JSON is wanted, else the page that `render` makes.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn data<M: serde::Serialize>(
        &self,
        message: &M,
        render: impl FnOnce(&mut Page, &M),
    ) -> Result<(), Failure> {
        if self.is_json() {
            return self.json(message);
        }
        let mut page = self.page();
        render(&mut page, message);
        self.show(page)
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        write(io::stdout().lock(), text.as_bytes())
    }

    /// Something beside the data. A closed standard error loses it, and that is all.
    pub fn note(&self, page: Page) {
        let _ = write(io::stderr().lock(), page.into_text().as_bytes());
    }

    /// One line beside the data.
    pub fn say(&self, text: &str) {
        let mut page = self.note_page();
        page.line(super::page::Tone::Plain, text);
        self.note(page);
    }

    /// Several lines beside the data.
    pub fn say_lines(&self, text: &str) {
        text.lines().for_each(|line| self.say(line));
    }

    /// A question beside the data; the answer is on the same line.
    pub fn prompt(&self, text: &str) {
        let _ = write(io::stderr().lock(), text.as_bytes());
    }

    /// Puts a page in place of the last `lines` lines of the terminal. No line of it may be wider than
    /// [`Output::width`].
    pub fn replace(&self, lines: usize, page: Page) {
        let up = if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r\x1b[J") };
        let _ = write(io::stderr().lock(), format!("{up}{}", page.into_text()).as_bytes());
    }

    /// Columns of the terminal behind standard error; 80 where it does not say. At least 20.
    pub fn width(&self) -> usize {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        let columns = size.map_or(0, |size| usize::from(size.ws_col));
        // The last column stays free: some terminals wrap when it is written.
        if columns == 0 { USUAL_WIDTH } else { columns.saturating_sub(1).max(LEAST_WIDTH) }
    }
}

fn write(mut stream: impl io::Write, bytes: &[u8]) -> Result<(), Failure> {
    let written = stream.write_all(bytes).and_then(|()| stream.flush());
    written.map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Failure::new(
            Exit::BeforeFirstAct,
            format!("the output cannot be written: {error}"),
            "free space, or write it elsewhere",
        )
    })
}
