//! Fills in what only can be known just before an act starts: ids that the tool gave out, requests and
//! certificates that travel.

use bellows_proto::v1::{
    Act, KwdbPlaceCertificates, KwdbSignCertificates, NodeRef, Observation, action,
    kwdb_action::Kind,
};

use super::{
    certificates, ids,
    view::{View, active},
};

/// The act with its last unknowns. An undo act gets the id of the act that it takes back; one that takes a
/// start back is resolved when it begins: before the start there is no id.
pub fn resolve(act: &Act, observation: &Observation) -> Result<Act, String> {
    let view = View::of(observation);
    let mut act = act.clone();
    let id = match kind(&mut act) {
        Some(kind) => fill(view, kind)?,
        None => None,
    };
    for undo in &mut act.undo {
        if let (Some((node, id)), Some(Kind::Recommission(back))) = (&id, kind(undo))
            && back.node_id == 0
            && back.node.as_ref() == Some(node)
        {
            back.node_id = *id;
        }
    }
    Ok(act)
}

fn kind(act: &mut Act) -> Option<&mut Kind> {
    let action::Kind::Kwdb(action) = act.action.as_mut()?.kind.as_mut()? else { return None };
    action.kind.as_mut()
}

/// The id that was filled in, and whose.
fn fill(view: View<'_>, kind: &mut Kind) -> Result<Option<(NodeRef, u32)>, String> {
    match kind {
        Kind::Decommission(act) => numbered(view, &act.node, &mut act.node_id),
        Kind::Recommission(act) => numbered(view, &act.node, &mut act.node_id),
        Kind::DeployDecommission(act) => numbered(view, &act.node, &mut act.node_id),
        Kind::RestartNode(act) => {
            act.started_at = started_at(view, name(&act.node))?;
            Ok(None)
        }
        Kind::SignCertificates(act) => sign(view, act).map(|()| None),
        Kind::PlaceCertificates(act) => place(view, act).map(|()| None),
        Kind::WriteStart(_)
        | Kind::RemoveStart(_)
        | Kind::RequestCertificates(_)
        | Kind::ForgetSigned(_)
        | Kind::RemoveCertificates(_)
        | Kind::StartNode(_)
        | Kind::StopNode(_)
        | Kind::SetRebalance(_)
        | Kind::DiscardData(_) => Ok(None),
    }
}

fn name(node: &Option<NodeRef>) -> &str {
    node.as_ref().map_or("", |node| node.node.as_str())
}

fn numbered(
    view: View<'_>,
    node: &Option<NodeRef>,
    id: &mut u32,
) -> Result<Option<(NodeRef, u32)>, String> {
    *id = ids::must(view, name(node), *id)?;
    Ok(node.clone().map(|node| (node, *id)))
}

fn started_at(view: View<'_>, node: &str) -> Result<String, String> {
    let id = ids::must(view, node, 0)?;
    let rows = view.answering(&[]).into_iter().filter_map(|one| active(one.server, id));
    let latest = rows.map(|row| row.started_at.clone()).filter(|at| !at.is_empty()).max();
    latest.ok_or_else(|| format!("no member tells when {node} was started"))
}

fn sign(view: View<'_>, act: &mut KwdbSignCertificates) -> Result<(), String> {
    let node = name(&act.node);
    let found = certificates::of(view, node)?;
    if found.node_request.is_empty() || found.client_request.is_empty() {
        return Err(format!("{node} has no requests to be signed"));
    }
    act.node_request.clone_from(&found.node_request);
    act.client_request.clone_from(&found.client_request);
    Ok(())
}

fn place(view: View<'_>, act: &mut KwdbPlaceCertificates) -> Result<(), String> {
    let node = name(&act.node);
    let signed = certificates::signed(view, node)
        .ok_or_else(|| format!("nothing was signed for {node}, or its signer does not answer"))?;
    let members = view.in_spec().filter_map(|member| certificates::of(view, &member.node).ok());
    let authority = members.map(|found| found.authority_pem.clone()).find(|pem| !pem.is_empty());
    act.authority = authority.ok_or_else(|| "no member shows its ca.crt".to_owned())?;
    act.node_certificate.clone_from(&signed.node_certificate);
    act.client_certificate.clone_from(&signed.client_certificate);
    Ok(())
}
