//! What an administrator would type for each act, should Bellows itself be gone in the middle of a plan.
//! For paper: nothing of it is ever run. What is typed is the system's; here the acts are gone through.

use std::collections::BTreeMap;

use bellows_proto::v1::{Act, NodeRef, Step, step};

use super::{Acts, Placed};

/// Places by the names of their nodes.
#[derive(Debug)]
pub struct Places<'a, P>(BTreeMap<&'a str, &'a P>);

impl<'a, P> Places<'a, P> {
    /// Of these nodes.
    pub fn of(members: &'a [Placed<P>]) -> Self {
        Self(members.iter().map(|member| (member.node.as_str(), &member.place)).collect())
    }

    /// Of the node that an action names; `None`: it names none, or one that is not in the plan.
    pub fn at(&self, node: Option<&NodeRef>) -> Option<&'a P> {
        self.0.get(node?.node.as_str()).copied()
    }
}

/// The steps with what could be typed for each of their acts.
pub fn filled<S: Acts>(mut steps: Vec<Step>, places: &Places<'_, S::Place>) -> Vec<Step> {
    for step in &mut steps {
        fill::<S>(step, places);
    }
    steps
}

fn fill<S: Acts>(step: &mut Step, places: &Places<'_, S::Place>) {
    match &mut step.kind {
        Some(step::Kind::Act(act)) => {
            typed::<S>(act, places);
            act.undo.iter_mut().for_each(|undo| typed::<S>(undo, places));
        }
        Some(step::Kind::Group(group)) => {
            group.members.iter_mut().for_each(|member| fill::<S>(member, places));
        }
        Some(step::Kind::Check(_) | step::Kind::Wait(_)) | None => {}
    }
}

fn typed<S: Acts>(act: &mut Act, places: &Places<'_, S::Place>) {
    act.by_hand = act.action.as_ref().map(|action| S::by_hand(action, places)).unwrap_or_default();
}

/// What stands where the plan does not say where the node lives.
pub fn unknown() -> Vec<String> {
    vec!["# where the node lives is not in this plan: see bellows host show HOST".to_owned()]
}

/// One shell word.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_place_becomes_a_command() {
        assert_eq!(quoted("/var/lib/a-b_c"), "/var/lib/a-b_c");
        assert_eq!(quoted("/a b; rm x"), "'/a b; rm x'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        // A pattern of file names.
        assert_eq!(quoted("[fd00::1]:26257"), "'[fd00::1]:26257'");
        assert_eq!(quoted(""), "''");
    }
}
