//! What an intent wants, in one word: the word of the command line, of lists, reports and options.
//! Written once, so that a new verb has one name everywhere.

use crate::v1::{Intent, Plan, intent::Verb};

impl Verb {
    /// The verb's word, e.g. `expand`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Expand(_) => "expand",
            Self::Shrink(_) => "shrink",
            Self::Replace(_) => "replace",
            Self::Switchover(_) => "switchover",
            Self::Rejoin(_) => "rejoin",
            Self::Restart(_) => "restart",
            Self::Adopt(_) => "adopt",
            Self::Reconfigure(_) => "reconfigure",
        }
    }
}

impl Intent {
    /// The word of its verb; `None`: nothing is wanted.
    pub fn word(&self) -> Option<&'static str> {
        self.verb.as_ref().map(Verb::word)
    }
}

impl Plan {
    /// The word of its intent's verb; `None`: it has none, or one of a newer version.
    pub fn word(&self) -> Option<&'static str> {
        self.intent.as_ref().and_then(Intent::word)
    }
}
