//! Numbered rules: how a system declares them, and everything that said no.

use std::marker::PhantomData;

use bellows_proto::v1::{Explanation, GuardSeen, Refusal, Spec};

/// A system's rules.
pub trait Rules: Copy {
    /// The rule that everything needed was read.
    const READ: Self;
    /// Its number, as it is shown: "PG-01".
    fn code(self) -> &'static str;
    /// The rule says no, because this was seen.
    fn refusal(self, value: impl Into<String>) -> Refusal;
}

/// Declares a system's rules, in the order of their numbers: number, name, reason, and what would mend it. One of
/// them is `EverythingRead`.
macro_rules! rules {
    ($($rule:ident = $code:literal, $name:literal, $reason:literal, $remedy:literal;)+) => {
        /// A rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Rule {
            $(
                #[doc = concat!($code, ". ", $reason)]
                $rule,
            )+
        }

        /// All rules, for whoever asks what a number means.
        pub fn explanations() -> Vec<::bellows_proto::v1::Explanation> {
            [$(Rule::$rule),+].map(Rule::told).to_vec()
        }

        impl Rule {
            /// What can be said of it without having looked at a cluster.
            fn told(self) -> ::bellows_proto::v1::Explanation {
                match self {
                    $(Self::$rule => $crate::plan::explained($code, $name, $reason, $remedy),)+
                }
            }

            /// The rule says no, because this was seen.
            pub(super) fn refusal(self, value: impl Into<String>) -> ::bellows_proto::v1::Refusal {
                $crate::plan::refused(self.told(), value.into())
            }

            /// The rule held, and this was seen.
            pub(super) fn seen(self, value: impl Into<String>) -> ::bellows_proto::v1::GuardSeen {
                $crate::plan::held(self.told(), value.into())
            }
        }

        impl $crate::plan::Rules for Rule {
            const READ: Self = Self::EverythingRead;

            fn code(self) -> &'static str {
                match self {
                    $(Self::$rule => $code,)+
                }
            }

            fn refusal(self, value: impl Into<String>) -> ::bellows_proto::v1::Refusal {
                Self::refusal(self, value)
            }
        }
    };
}

pub(crate) use rules;

/// A rule, without a cluster.
pub fn explained(code: &str, name: &str, reason: &str, remedy: &str) -> Explanation {
    Explanation {
        code: code.to_owned(),
        name: name.to_owned(),
        text: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// This rule says no, because this was seen.
pub fn refused(rule: Explanation, value: String) -> Refusal {
    let Explanation { code, name, remedy, .. } = rule;
    Refusal { code, rule: name, value, remedy, ..Refusal::default() }
}

/// This rule held, and this was seen.
pub fn held(rule: Explanation, value: String) -> GuardSeen {
    let Explanation { code, name, .. } = rule;
    GuardSeen { code, rule: name, value }
}

/// Everything that said no so far. `V`: the system's view of an observation; `R`: its rules.
pub struct Findings<'a, V, R> {
    /// The cluster as it is wanted.
    pub spec: &'a Spec,
    /// What was seen.
    pub view: V,
    /// Members whose hosts are named dead: nothing is asked of them.
    pub dead: Vec<String>,
    /// The member that comes back: whatever it is now. Other members may ail too.
    pub returning: Option<String>,
    refusals: Vec<Refusal>,
    rules: PhantomData<R>,
}

impl<'a, V, R: Rules> Findings<'a, V, R> {
    /// Nothing so far.
    pub fn new(spec: &'a Spec, view: V) -> Self {
        let (dead, refusals) = (Vec::new(), Vec::new());
        Self { spec, view, dead, returning: None, refusals, rules: PhantomData }
    }

    /// This rule says no. `node` and `host`: where, or empty.
    pub fn say(&mut self, rule: R, node: &str, host: &str, value: impl Into<String>) {
        let refusal =
            Refusal { node: node.to_owned(), host: host.to_owned(), ..rule.refusal(value) };
        // The same thing found on two ways is said once.
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// What is known, or a refusal that says what did not answer.
    pub fn known<T>(&mut self, node: &str, host: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.say(R::READ, node, host, why)).ok()
    }

    /// What is good, where nothing said no.
    ///
    /// # Errors
    /// Everything that said no, in the order of the rules' numbers.
    pub fn end<T>(mut self, good: Option<T>) -> Result<T, Vec<Refusal>> {
        self.refusals.sort_by(|a, b| a.code.cmp(&b.code));
        match good {
            Some(good) if self.refusals.is_empty() => Ok(good),
            Some(_) => Err(self.refusals),
            None if self.refusals.is_empty() => {
                Err(vec![R::READ.refusal("the cluster could not be read")])
            }
            None => Err(self.refusals),
        }
    }
}
