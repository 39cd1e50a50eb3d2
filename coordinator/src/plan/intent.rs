//! Small readings of an intent.

use bellows_proto::v1::{Intent, NodeAt};

/// Nodes that an intent adds, with their hosts.
pub fn added(intent: &Intent) -> &[NodeAt] {
    use bellows_proto::v1::intent::Verb;
    match &intent.verb {
        Some(Verb::Create(create)) => &create.nodes,
        Some(Verb::Expand(expand)) => &expand.nodes,
        Some(Verb::Replace(replace)) => replace.with.as_slice(),
        Some(
            Verb::Shrink(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => &[],
    }
}
