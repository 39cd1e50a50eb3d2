//! How far each host is, on standard error: one line each while it is under way where lines can be
//! overwritten, else one line each when it is over.

use std::{cell::RefCell, collections::BTreeMap};

use crate::cli::{output::Output, page::Tone, text::escape};

/// The board.
pub(super) struct Board<'a> {
    out: &'a Output,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What is done now, by host.
    now: BTreeMap<String, String>,
    over: usize,
    drawn: usize,
}

impl<'a> Board<'a> {
    pub(super) fn new(out: &'a Output) -> Self {
        Self { out, state: RefCell::default() }
    }

    /// A host has come to a stage.
    pub(super) fn stage(&self, host: &str, stage: &str) {
        if self.out.is_live() {
            self.state.borrow_mut().now.insert(host.to_string(), stage.to_owned());
            self.draw();
        }
    }

    /// A host is over, for now or for good.
    pub(super) fn over(&self, host: &str, how: &str) {
        if !self.out.is_live() {
            self.out.say(&format!("{host}  {how}"));
            return;
        }
        let mut state = self.state.borrow_mut();
        state.now.remove(host);
        state.over += 1;
        drop(state);
        self.draw();
    }

    /// Takes the lines away.
    pub(super) fn clear(&self) {
        let mut state = self.state.borrow_mut();
        if state.drawn > 0 {
            self.out.replace(state.drawn, self.out.note_page());
        }
        *state = State::default();
    }

    fn draw(&self) {
        let mut state = self.state.borrow_mut();
        let (mut page, width) = (self.out.note_page(), self.out.width());
        let fit = |line: String| line.chars().take(width).collect::<String>();
        for (host, stage) in &state.now {
            page.line(Tone::Plain, &fit(format!("{host:<16} {}", escape(stage))));
        }
        page.line(Tone::Quiet, &fit(format!("{} done", state.over)));
        self.out.replace(state.drawn, page);
        state.drawn = state.now.len() + 1;
    }
}
