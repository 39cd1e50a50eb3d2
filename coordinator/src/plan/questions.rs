//! What is to be asked next: each question once, and none that was answered.

use bellows_proto::v1::{Asked, Query};

use super::Question;

/// Questions that were not asked yet, in their order.
#[derive(Debug)]
pub struct Questions<'a> {
    answers: &'a [Asked],
    new: Vec<Question>,
}

impl<'a> Questions<'a> {
    /// None so far. `answers`: to all that was asked before.
    pub fn besides(answers: &'a [Asked]) -> Self {
        Self { answers, new: Vec::new() }
    }

    /// Asks a host this, unless it was asked.
    pub fn ask(&mut self, host: &str, query: Query) {
        self.add(Question::new(host, query));
    }

    /// Asks a host for this survey, unless it was asked.
    pub fn survey(&mut self, host: &str, query: Query) {
        self.add(Question::survey(host, query));
    }

    /// Asks this, unless it was asked.
    pub fn add(&mut self, question: Question) {
        let asked = self
            .answers
            .iter()
            .any(|one| one.host == question.host && one.query.as_ref() == Some(&question.query));
        if !asked && !self.new.contains(&question) {
            self.new.push(question);
        }
    }

    /// All of them.
    pub fn all(self) -> Vec<Question> {
        self.new
    }
}
