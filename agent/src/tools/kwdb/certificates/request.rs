//! Keys and requests of a new node, made on its host.

use bellows_proto::{
    digest,
    v1::{Fault, FaultCode, KwdbRequestCertificates, KwdbSecurity},
};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use zeroize::Zeroizing;

use super::{CLIENT, NODE, Pair, Requested, folder, read_key, requested, requested_path};
use crate::{
    facilities::{Local, Runner as _, record},
    host::Access,
    tools::{
        JobContext, Note,
        kwdb::{
            session::{made, required, tlcp},
            values::Node,
        },
    },
};

/// A key with the request for it.
struct Made {
    key: Zeroizing<String>,
    digest: Vec<u8>,
    request: String,
}

/// Makes keys and requests, unless those that it made are there.
pub(in crate::tools::kwdb) async fn request_certificates(
    action: &KwdbRequestCertificates,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    match node.security {
        KwdbSecurity::Tls => {}
        KwdbSecurity::Tlcp => return Err(tlcp()),
        KwdbSecurity::Insecure | KwdbSecurity::Unspecified => {
            return Err(Fault::new(
                FaultCode::Invalid,
                "the node is insecure: it has no certificates",
            ));
        }
    }
    let known = requested(local, &node)?.unwrap_or_default();
    let there =
        [own(local, &node, NODE, &known.node_key)?, own(local, &node, CLIENT, &known.client_key)?];
    if there == [true, true] {
        return Ok("keys and requests are there".to_owned());
    }
    let (node_made, client_made) = (make(NODE)?, make(CLIENT)?);
    let folder_made = known.folder_made || local.host.metadata(node.certs_dir.as_path())?.is_none();
    let wanted = Requested {
        node_key: node_made.digest,
        client_key: client_made.digest,
        node_request: node_made.request,
        client_request: client_made.request,
        folder_made,
    };
    // Those of a request that was cut short: nobody has signed them.
    for (pair, there) in [NODE, CLIENT].into_iter().zip(there) {
        if there {
            local.host.remove_file(&node.certs_dir.file(pair.key))?;
        }
    }
    local.host.create_directory(&folder(local), &Access::PRIVATE_DIRECTORY)?;
    record::write(local.host.as_ref(), &requested_path(local, &node), &wanted)?;
    if folder_made {
        let private = Access::owned(0o700, &node.os_user);
        local.host.create_directory(node.certs_dir.as_path(), &private)?;
    }
    for (pair, key) in [(NODE, &node_made.key), (CLIENT, &client_made.key)] {
        let path = node.certs_dir.file(pair.key);
        let access = Access::owned(0o600, &node.os_user);
        if !local.host.create(&path, key.as_bytes(), &access)? {
            return Err(somebody_elses(&path));
        }
    }
    Ok(format!("keys are in {}, requests are ready", node.certs_dir))
}

/// Whether the key that lies there is the one that was made here; somebody else's is never touched.
fn own(local: &Local, node: &Node, pair: Pair, known: &[u8]) -> Result<bool, Fault> {
    let path = node.certs_dir.file(pair.key);
    if local.host.metadata(&path)?.is_none() {
        return Ok(false);
    }
    if !known.is_empty() && read_key(local, &path)? == known {
        return Ok(true);
    }
    Err(somebody_elses(&path))
}

fn somebody_elses(path: &camino::Utf8Path) -> Fault {
    Fault::new(FaultCode::Drift, format!("{path} is there, and Bellows did not make it"))
        .remedy("move it away with its certificate; or place all of ca.crt, node.* and client.root.* of the cluster's authority")
}

fn make(pair: Pair) -> Result<Made, Fault> {
    let failed = |error: rcgen::Error| {
        Fault::new(FaultCode::Internal, format!("no key can be made: {error}"))
    };
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, pair.name);
    let request = params.serialize_request(&key).and_then(|made| made.pem()).map_err(failed)?;
    Ok(Made {
        digest: digest::of_bytes(&key.subject_public_key_info()).to_vec(),
        key: Zeroizing::new(key.serialize_pem()),
        request,
    })
}
