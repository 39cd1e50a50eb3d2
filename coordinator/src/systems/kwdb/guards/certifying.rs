//! Guards on certificates of new nodes in a secure cluster.

use bellows_proto::v1::{KwdbSecurity, KwdbSpecOptions};

use super::{
    super::{certificates, draft::Placed},
    Findings, Rule,
};

/// Who needs certificates, and who signs them.
pub(in super::super) struct Certifying {
    /// New nodes that have none yet. The others have some that fit.
    pub(in super::super) nodes: Vec<Placed>,
    /// The member whose host signs: name and host; `None`: nobody needs to.
    pub(in super::super) signer: Option<(String, String)>,
}

/// `None`: an insecure cluster, or something says no.
pub(in super::super) fn judge(
    findings: &mut Findings<'_>,
    options: &KwdbSpecOptions,
    new: &[Placed],
) -> Option<Certifying> {
    if options.security() != KwdbSecurity::Tls {
        return None;
    }
    let (view, dead) = (findings.view, findings.dead.clone());
    let authority = certificates::authority(view, &dead);
    let authority = findings.known("", "", authority)?;
    let mut nodes = Vec::new();
    for node in new {
        let found = certificates::of(view, &node.node);
        let Some(found) = findings.known(&node.node, &node.host, found) else { continue };
        let wrong = certificates::wrong(view, &node.node, found, &node.place, authority);
        if wrong.is_empty() {
            continue;
        }
        let other = !found.authority.is_empty() && found.authority != authority;
        if certificates::are_absent(found) && !other {
            nodes.push(node.clone());
            continue;
        }
        let folder = &node.place.certs_dir;
        let value = format!("in {folder} on {}: {}", node.host, wrong.join("; "));
        findings.say(Rule::CertificatesFit, &node.node, &node.host, value);
    }
    if nodes.is_empty() {
        return Some(Certifying { nodes, signer: None });
    }
    match certificates::signer(view, options, &dead) {
        Ok(member) => {
            let signer = Some((member.node.clone(), member.host.clone()));
            Some(Certifying { nodes, signer })
        }
        Err(why) => {
            let missing: Vec<String> = nodes
                .iter()
                .map(|node| format!("{}:{}", node.host, node.place.certs_dir))
                .collect();
            let value = format!("{why}; certificates are missing in {}", missing.join(", "));
            findings.say(Rule::CanSign, "", &options.ca_host, value);
            None
        }
    }
}
