//! What an act changes in managed files, in lines for the plan. The files themselves are
//! rendered on the host; what differs is in the typed settings.

use bellows_proto::v1::{Act, KwdbSecurity, KwdbStart, KwdbStartMode, action, kwdb_action::Kind};

/// Lines that begin with "+ "; empty for acts that write no managed file.
pub(super) fn of(act: &Act) -> Vec<String> {
    match act.action.as_ref().and_then(|action| action.kind.as_ref()) {
        Some(action::Kind::Kwdb(action)) => match &action.kind {
            Some(Kind::WriteStart(write)) => write.start.as_ref().map(start).unwrap_or_default(),
            Some(_) | None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn start(start: &KwdbStart) -> Vec<String> {
    let command = command(start.mode());
    let security = match start.security() {
        KwdbSecurity::Tls => "--certs-dir",
        KwdbSecurity::Insecure => "--insecure",
        KwdbSecurity::Tlcp | KwdbSecurity::Unspecified => "no security",
    };
    let join = start.join.join(",");
    vec![format!("+ what starts the node: kwbase {command}, {security}, --join {join}")]
}

/// The command of `kwbase` for a kind of cluster.
pub(super) fn command(mode: KwdbStartMode) -> &'static str {
    match mode {
        KwdbStartMode::SingleReplica => "start-single-replica",
        KwdbStartMode::SingleNode => "start-single-node",
        KwdbStartMode::MultiReplica | KwdbStartMode::Unspecified => "start",
    }
}
