//! Words for start modes and security, as the tool and people use them.

use bellows_proto::v1::{KwdbSecurity, KwdbStartMode};

/// What `node status` prints.
pub(super) fn mode(text: &str) -> KwdbStartMode {
    match text {
        "start" => KwdbStartMode::MultiReplica,
        "start-single-replica" => KwdbStartMode::SingleReplica,
        "start-single-node" => KwdbStartMode::SingleNode,
        _ => KwdbStartMode::Unspecified,
    }
}

pub(super) fn mode_text(mode: KwdbStartMode) -> &'static str {
    match mode {
        KwdbStartMode::MultiReplica => "multi-replica",
        KwdbStartMode::SingleReplica => "single-replica",
        KwdbStartMode::SingleNode => "single node",
        KwdbStartMode::Unspecified => "not known",
    }
}

pub(super) fn security_text(security: KwdbSecurity) -> &'static str {
    match security {
        KwdbSecurity::Tls => "tls",
        KwdbSecurity::Insecure => "insecure",
        KwdbSecurity::Tlcp => "tlcp",
        KwdbSecurity::Unspecified => "not known",
    }
}
