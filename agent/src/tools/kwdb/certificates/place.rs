//! Certificates of a new node, put beside its keys, and all of it taken away again.

use bellows_proto::v1::{Fault, FaultCode, KwdbPlaceCertificates, KwdbRemoveCertificates};

use super::{
    AUTHORITY, CLIENT, NODE, Pair, Parsed, read_certificate, read_key, requested, requested_path,
};
use crate::{
    facilities::{Local, Runner as _},
    host::Access,
    tools::{
        JobContext, Note,
        kwdb::{
            session::{made, required},
            values::Node,
        },
    },
};

/// PEM of one certificate is not longer.
const LONGEST: usize = 64 << 10;

/// Places `ca.crt`, `node.crt` and `client.root.crt`, if they belong to each other and to the keys that lie here.
pub(in crate::tools::kwdb) async fn place_certificates(
    action: &KwdbPlaceCertificates,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let authority = parsed("the authority's certificate", &action.authority)?;
    let own = parsed("the node's certificate", &action.node_certificate)?;
    let client = parsed("the client's certificate", &action.client_certificate)?;
    for (pair, certificate) in [(NODE, &own), (CLIENT, &client)] {
        check(local, &node, pair, certificate, &authority)?;
    }
    let address = node.address.to_string();
    if !own.hosts().contains(&address) {
        let hosts = own.hosts().join(", ");
        return Err(refused(&format!("the node's certificate is for {hosts}, not for {address}")));
    }
    let place = node.certs_dir.file(AUTHORITY);
    let there = read_certificate(local, &place)?;
    let mut files = vec![
        (node.certs_dir.file(NODE.certificate), &own.pem),
        (node.certs_dir.file(CLIENT.certificate), &client.pem),
    ];
    match there {
        // The administrator's, and the right one.
        Some(there) if there.der == authority.der => {}
        Some(_) => {
            return Err(Fault::new(FaultCode::Drift, format!("{place} is of another authority"))
                .remedy("move it away if nothing on this host needs it, then retry"));
        }
        None => files.push((place, &authority.pem)),
    }
    for (path, text) in &files {
        local.managed().check_write(path, text.as_bytes())?;
    }
    for (path, text) in &files {
        let access = Access::owned(0o644, &node.os_user);
        local.managed().write(path, text.as_bytes(), &access)?;
    }
    Ok(format!("certificates are in {}", node.certs_dir))
}

fn parsed(what: &str, pem: &str) -> Result<Parsed, Fault> {
    let fits = pem.len() <= LONGEST;
    let parsed = fits.then(|| Parsed::of(pem)).flatten();
    parsed.ok_or_else(|| refused(&format!("{what} is none")))
}

fn refused(reason: &str) -> Fault {
    Fault::new(FaultCode::Invalid, format!("the certificates are not placed: {reason}"))
        .remedy("undo the steps of the certificates, then plan anew")
}

fn check(
    local: &Local,
    node: &Node,
    pair: Pair,
    certificate: &Parsed,
    authority: &Parsed,
) -> Result<(), Fault> {
    let name = pair.certificate;
    if !certificate.signed_by(authority) {
        return Err(refused(&format!("{name} is not signed by the authority")));
    }
    if certificate.name() != pair.name {
        return Err(refused(&format!(
            "{name} names {:?}, not {:?}",
            certificate.name(),
            pair.name
        )));
    }
    let key = read_key(local, &node.certs_dir.file(pair.key))?;
    if key.is_empty() || key != certificate.key() {
        return Err(refused(&format!("{name} does not belong to {} of this host", pair.key)));
    }
    Ok(())
}

/// Removes what Bellows made and placed here: keys by their public halves, certificates as they were written.
pub(in crate::tools::kwdb) async fn remove_certificates(
    action: &KwdbRemoveCertificates,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let known = requested(local, &node)?.unwrap_or_default();
    let files = [NODE.certificate, CLIENT.certificate, AUTHORITY];
    let files = files.map(|name| node.certs_dir.file(name));
    for path in &files {
        local.managed().check_restore(path)?;
    }
    for path in &files {
        local.managed().restore(path)?;
    }
    for (pair, ours) in [(NODE, &known.node_key), (CLIENT, &known.client_key)] {
        let path = node.certs_dir.file(pair.key);
        if !ours.is_empty() && read_key(local, &path)? == *ours {
            local.host.remove_file(&path)?;
        }
    }
    if known.folder_made {
        local.host.remove_empty_directory(node.certs_dir.as_path())?;
    }
    local.host.remove_file(&requested_path(local, &node))?;
    Ok(format!("what Bellows made is gone from {}", node.certs_dir))
}
