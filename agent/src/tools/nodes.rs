//! The nodes that an action names: what its fence is checked against. Must not judge them.

use bellows_proto::v1::{
    Action, BookkeeperAction, HostAction, KwdbAction, NodeRef, PostgresqlAction, action,
    bookkeeper_action, host_action, kwdb_action, postgresql_action,
};

/// All nodes that an action names; a missing one is for the tool to refuse.
pub fn nodes(action: &Action) -> Vec<&NodeRef> {
    let named = match &action.kind {
        Some(action::Kind::Host(action)) => of_host(action),
        Some(action::Kind::Postgresql(action)) => of_postgresql(action),
        Some(action::Kind::Kwdb(action)) => of_kwdb(action),
        Some(action::Kind::Bookkeeper(action)) => of_bookkeeper(action),
        None => [None, None],
    };
    named.into_iter().flatten().collect()
}

fn of_host(action: &HostAction) -> [Option<&NodeRef>; 2] {
    use host_action::Kind;
    let node = match &action.kind {
        Some(Kind::ClaimNode(action)) => &action.node,
        Some(Kind::ReleaseNode(action)) => &action.node,
        Some(Kind::ClaimResource(action)) => &action.node,
        Some(Kind::ReleaseResource(action)) => &action.node,
        Some(Kind::Tombstone(action)) => &action.node,
        Some(Kind::LiftTombstone(action)) => &action.node,
        None => &None,
    };
    [node.as_ref(), None]
}

fn of_postgresql(action: &PostgresqlAction) -> [Option<&NodeRef>; 2] {
    use postgresql_action::Kind;
    let (node, at) = match &action.kind {
        Some(Kind::WriteConfiguration(action)) => (&action.node, &None),
        Some(Kind::RemoveConfiguration(action)) => (&action.node, &None),
        Some(Kind::WriteHba(action)) => (&action.node, &None),
        Some(Kind::InitDatabase(action)) => (&action.node, &None),
        Some(Kind::CreateRepmgrDatabase(action)) => (&action.node, &None),
        Some(Kind::RegisterPrimary(action)) => (&action.node, &None),
        Some(Kind::CloneStandby(action)) => (&action.node, &None),
        Some(Kind::RegisterStandby(action)) => (&action.node, &None),
        Some(Kind::UnregisterStandby(action)) => (&action.node, &action.at),
        Some(Kind::CreateSlot(action)) => (&action.node, &action.at),
        Some(Kind::DropSlot(action)) => (&action.node, &action.at),
        Some(Kind::StartService(action)) => (&action.node, &None),
        Some(Kind::StopService(action)) => (&action.node, &None),
        Some(Kind::DiscardData(action)) => (&action.node, &None),
        Some(Kind::PauseRepmgrd(action)) => (&action.node, &None),
        Some(Kind::PromoteStandby(action)) => (&action.node, &None),
        Some(Kind::FollowUpstream(action)) => (&action.node, &None),
        Some(Kind::DemotePrimary(action)) => (&action.node, &None),
        // A front is of a cluster too.
        Some(Kind::SetFront(action)) => (&action.front, &None),
        None => (&None, &None),
    };
    [node.as_ref(), at.as_ref()]
}

fn of_kwdb(action: &KwdbAction) -> [Option<&NodeRef>; 2] {
    use kwdb_action::Kind;
    let (node, at) = match &action.kind {
        Some(Kind::WriteStart(action)) => (&action.node, &None),
        Some(Kind::RemoveStart(action)) => (&action.node, &None),
        Some(Kind::RequestCertificates(action)) => (&action.node, &None),
        Some(Kind::SignCertificates(action)) => (&action.node, &action.at),
        Some(Kind::ForgetSigned(action)) => (&action.node, &action.at),
        Some(Kind::PlaceCertificates(action)) => (&action.node, &None),
        Some(Kind::RemoveCertificates(action)) => (&action.node, &None),
        Some(Kind::StartNode(action)) => (&action.node, &None),
        Some(Kind::StopNode(action)) => (&action.node, &None),
        Some(Kind::Decommission(action)) => (&action.node, &action.at),
        Some(Kind::Recommission(action)) => (&action.node, &action.at),
        Some(Kind::SetRebalance(action)) => (&None, &action.at),
        Some(Kind::DiscardData(action)) => (&action.node, &None),
        Some(Kind::RestartNode(action)) => (&action.node, &None),
        Some(Kind::DeployDecommission(action)) => (&action.node, &None),
        None => (&None, &None),
    };
    [node.as_ref(), at.as_ref()]
}

fn of_bookkeeper(action: &BookkeeperAction) -> [Option<&NodeRef>; 2] {
    use bookkeeper_action::Kind;
    let (node, at) = match &action.kind {
        Some(Kind::WriteConfig(action)) => (&action.node, &None),
        Some(Kind::RemoveConfig(action)) => (&action.node, &None),
        Some(Kind::StartBookie(action)) => (&action.node, &None),
        Some(Kind::StopBookie(action)) => (&action.node, &None),
        Some(Kind::SetReadOnly(action)) => (&action.node, &None),
        Some(Kind::Audit(action)) => (&None, &action.at),
        Some(Kind::Drain(action)) => (&action.node, &action.at),
        Some(Kind::Decommission(action)) => (&action.node, &action.at),
        Some(Kind::SaveCookie(action)) => (&action.node, &action.at),
        Some(Kind::DeleteCookie(action)) => (&action.node, &action.at),
        Some(Kind::RestoreCookie(action)) => (&action.node, &action.at),
        Some(Kind::SetAutorecovery(action)) => (&None, &action.at),
        Some(Kind::DiscardData(action)) => (&action.node, &None),
        Some(Kind::TellPlace(action)) => (&action.node, &action.at),
        None => (&None, &None),
    };
    [node.as_ref(), at.as_ref()]
}
