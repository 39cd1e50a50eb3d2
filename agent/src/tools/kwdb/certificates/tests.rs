#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
//! Made on one host, signed on another, placed, and taken away.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use bellows_proto::v1::{
    FaultCode, KwdbForgetSigned, KwdbPlaceCertificates, KwdbPlacement, KwdbRemoveCertificates,
    KwdbRequestCertificates, KwdbSignCertificates, NodeRef, Placement, Progress, ToolRun,
    placement,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    exec::Finished,
    facilities::claims::{NodeClaim, Remembered},
    host::Access,
    tools::{JobContext, Recorder},
};

const RSA_KEY: &str = include_str!("testdata/rsa.key");
const RSA: &str = include_str!("testdata/rsa.crt");
const SEC1_KEY: &str = include_str!("testdata/sec1.key");
const SEC1: &str = include_str!("testdata/sec1.crt");
const P384_KEY: &str = include_str!("testdata/p384.key");

struct Nothing;

impl Recorder for Nothing {
    fn tool_started(&self, _: ToolRun) -> usize {
        0
    }
    fn tool_ended(&self, _: usize, _: i64, _: Option<&Finished>, _: [u8; 32]) {}
    fn output(&self, _: &[u8]) {}
    fn progress(&self, _: Progress) {}
}

/// A host with a node that is claimed.
struct Host {
    context: JobContext,
    node: Node,
    _folder: tempfile::TempDir,
}

impl Host {
    fn new(name: &str, address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        let user = user_name();
        let text = format!(
            "[agent]\nhost = \"{name}\"\naddress = \"{address}\"\ndata_dir = \"{path}/agent\"\nlaunch = \"process\"\n\
             [systems.kwdb]\nsecurity = \"tls\"\nos_user = \"{user}\"\ncerts_dir = \"{path}/certs\"\n\
             data_root = \"{path}/data\"\nconf_root = \"{path}/conf\"\nlog_root = \"{path}/log\"\ninfo_dir = \"{path}/info\"\n"
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text).unwrap();
        let local = crate::run::local(config).unwrap();
        std::fs::create_dir(path.join("agent")).unwrap();
        let reference = NodeRef { cluster: "meters".into(), node: name.into() };
        let place = super::super::place::propose(&local, &reference, 0).unwrap();
        let node = Node::new(&reference, &place).unwrap();
        claim(&local, &reference, place);
        let key = format!("operation-1/{name}");
        let context = JobContext::new(
            local,
            key,
            "operation-1".into(),
            CancellationToken::new(),
            Arc::new(Nothing),
        );
        Self { context, node, _folder: folder }
    }

    fn local(&self) -> &Local {
        use crate::facilities::Runner as _;
        self.context.local()
    }

    fn file(&self, name: &str) -> Utf8PathBuf {
        self.node.certs_dir.file(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.node.certs_dir.as_path()).unwrap();
        let access = Access { mode: 0o600, owner: None };
        self.local().host.write(&self.file(name), text.as_bytes(), &access).unwrap();
    }

    fn read(&self) -> KwdbCertificates {
        reading(self.local(), &self.node).unwrap()
    }

    async fn request(&self) -> Result<String, Fault> {
        let action = KwdbRequestCertificates { node: Some(self.node.reference()) };
        request_certificates(&action, &self.context).await
    }

    async fn place(&self, authority: &str, signed: &KwdbSigned) -> Result<String, Fault> {
        let action = KwdbPlaceCertificates {
            node: Some(self.node.reference()),
            authority: authority.into(),
            node_certificate: signed.node_certificate.clone(),
            client_certificate: signed.client_certificate.clone(),
        };
        place_certificates(&action, &self.context).await
    }

    async fn remove(&self) -> Result<String, Fault> {
        let action = KwdbRemoveCertificates { node: Some(self.node.reference()) };
        remove_certificates(&action, &self.context).await
    }

    async fn sign(&self, other: &Self) -> Result<KwdbSigned, Fault> {
        let read = other.read();
        let action = KwdbSignCertificates {
            at: Some(self.node.reference()),
            node: Some(other.node.reference()),
            address: other.node.address.to_string(),
            node_request: read.node_request,
            client_request: read.client_request,
        };
        sign_certificates(&action, &self.context).await?;
        // Once more is fine, and makes no other one.
        sign_certificates(&action, &self.context).await?;
        Ok(signed(self.local(), &self.node).unwrap().pop().unwrap())
    }
}

fn claim(local: &Local, reference: &NodeRef, place: KwdbPlacement) {
    let placement = Some(Placement { system: Some(placement::System::Kwdb(place)) });
    let claim = NodeClaim { placement, ..NodeClaim::default() };
    let known =
        Remembered { node: Some(reference.clone()), claim: Some(claim), ..Remembered::default() };
    local.claims().put(reference, &known).unwrap();
}

fn user_name() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid)).unwrap();
    line.split(':').next().unwrap().to_owned()
}

#[test]
fn keys_of_all_forms_are_read() {
    for key in [RSA_KEY, SEC1_KEY, P384_KEY] {
        keys::load(key.as_bytes()).unwrap();
    }
    let own = rcgen::KeyPair::generate().unwrap().serialize_pem();
    keys::load(own.as_bytes()).unwrap();
    for bad in ["", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", RSA] {
        assert!(keys::load(bad.as_bytes()).is_err());
    }
}

#[tokio::test]
async fn only_certificates_travel() {
    for (key, certificate) in [(RSA_KEY, RSA), (SEC1_KEY, SEC1)] {
        let (authority, new) = (Host::new("n1", "10.0.0.1"), Host::new("n4", "10.0.0.4"));
        authority.put(AUTHORITY, certificate);
        authority.put(AUTHORITY_KEY, key);
        assert!(authority.read().has_authority_key);
        new.request().await.unwrap();
        let (asked, keys) = (new.read(), new.read().node.unwrap().key);
        assert!(!asked.node_request.is_empty() && !asked.client_request.is_empty());
        new.request().await.unwrap();
        assert_eq!(new.read().node.unwrap().key, keys, "made once");
        let mode = |name: &str| std::fs::metadata(new.file(name)).unwrap().permissions().mode();
        assert_eq!(mode("node.key") & 0o777, 0o600);
        assert_eq!(mode("client.root.key") & 0o777, 0o600);
        assert_eq!(mode("") & 0o777, 0o700);

        let signed = authority.sign(&new).await.unwrap();
        assert_eq!(signed.node_key, keys);
        assert!(!signed.node_certificate.contains("PRIVATE"));
        new.place(certificate, &signed).await.unwrap();
        new.place(certificate, &signed).await.unwrap();
        let read = new.read();
        let (node, client) = (read.node.unwrap(), read.client.unwrap());
        assert!(node.present && node.key_matches && node.signed_by_authority, "{node:?}");
        assert_eq!((node.name.as_str(), client.name.as_str()), ("node", "root"));
        assert_eq!(node.hosts, ["10.0.0.4", "127.0.0.1", "localhost"]);
        assert!(client.key_matches && client.signed_by_authority && client.hosts.is_empty());
        let ends = Parsed::of(certificate).unwrap().valid_until_ms();
        assert!(node.valid_until_ms > 0 && node.valid_until_ms <= ends);

        new.remove().await.unwrap();
        new.remove().await.unwrap();
        assert!(!new.node.certs_dir.as_path().exists());
        let action = KwdbForgetSigned {
            at: Some(authority.node.reference()),
            node: Some(new.node.reference()),
        };
        forget_signed(&action, &authority.context).await.unwrap();
        assert!(super::signed(authority.local(), &authority.node).unwrap().is_empty());
    }
}

/// What the tool that the world uses says of them.
#[tokio::test]
#[allow(clippy::disallowed_methods)] // A test does what an administrator does.
async fn openssl_takes_them() {
    let (authority, new) = (Host::new("n1", "10.0.0.1"), Host::new("n4", "10.0.0.4"));
    authority.put(AUTHORITY, RSA);
    authority.put(AUTHORITY_KEY, RSA_KEY);
    new.request().await.unwrap();
    let signed = authority.sign(&new).await.unwrap();
    new.place(RSA, &signed).await.unwrap();
    for (file, purpose) in
        [("node.crt", "sslserver"), ("node.crt", "sslclient"), ("client.root.crt", "sslclient")]
    {
        let (authority, certificate) = (new.file(AUTHORITY), new.file(file));
        let words =
            ["verify", "-purpose", purpose, "-CAfile", authority.as_str(), certificate.as_str()];
        let ended = std::process::Command::new("openssl").args(words).output().unwrap();
        assert!(ended.status.success(), "{purpose}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[tokio::test]
async fn somebody_elses_keys_and_authorities_are_left_alone() {
    let (authority, new) = (Host::new("n1", "10.0.0.1"), Host::new("n4", "10.0.0.4"));
    new.put("node.key", P384_KEY);
    let fault = new.request().await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::Drift, "{fault}");
    assert!(!new.file("client.root.key").exists());
    new.remove().await.unwrap();
    assert_eq!(std::fs::read_to_string(new.file("node.key")).unwrap(), P384_KEY);
    std::fs::remove_file(new.file("node.key")).unwrap();

    authority.put(AUTHORITY, RSA);
    new.request().await.unwrap();
    // No key, then one that is another's, then one that others may read.
    assert_eq!(authority.sign(&new).await.unwrap_err().code(), FaultCode::Secret);
    authority.put(AUTHORITY_KEY, SEC1_KEY);
    assert!(!authority.read().has_authority_key);
    assert!(authority.sign(&new).await.unwrap_err().message.contains("does not belong"));
    authority.put(AUTHORITY_KEY, RSA_KEY);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(authority.file(AUTHORITY_KEY), open).unwrap();
    let fault = authority.sign(&new).await.unwrap_err();
    assert!(
        fault.message.contains("can be read by others") && !fault.to_string().contains("BEGIN")
    );
    authority.put(AUTHORITY_KEY, RSA_KEY);
    let signed = authority.sign(&new).await.unwrap();

    new.put(AUTHORITY, SEC1);
    let fault = new.place(RSA, &signed).await.unwrap_err();
    assert!(fault.message.contains("another authority"), "{fault}");
    std::fs::remove_file(new.file(AUTHORITY)).unwrap();
    let fault = new.place(SEC1, &signed).await.unwrap_err();
    assert!(fault.message.contains("not signed by"), "{fault}");
    let swapped = KwdbSigned {
        node_certificate: signed.client_certificate.clone(),
        client_certificate: signed.node_certificate.clone(),
        ..KwdbSigned::default()
    };
    assert!(new.place(RSA, &swapped).await.unwrap_err().message.contains("names"));
    assert!(!new.file("node.crt").exists());
    let other = Host::new("n5", "10.0.0.5");
    other.request().await.unwrap();
    let fault = other.place(RSA, &signed).await.unwrap_err();
    assert!(fault.message.contains("does not belong"), "{fault}");
    // The administrator's ca.crt stays when ours go.
    new.put(AUTHORITY, RSA);
    new.place(RSA, &signed).await.unwrap();
    new.remove().await.unwrap();
    assert!(new.file(AUTHORITY).exists() && !new.file("node.crt").exists());
}

#[test]
fn copies_of_the_authoritys_key_are_named() {
    let host = Host::new("n4", "10.0.0.4");
    let install = host.node.certs_dir.as_path().parent().unwrap().join("install");
    std::fs::create_dir_all(install.join("kaiwudb_certs")).unwrap();
    std::fs::create_dir_all(host.node.certs_dir.as_path().with_file_name("info")).unwrap();
    let mode = format!("bare\nmulti-replication\n{install}\n/d\n1\n2\nkaiwudb\ntls\n");
    std::fs::write(host.node.certs_dir.as_path().with_file_name("info").join("MODE"), mode)
        .unwrap();
    host.put(AUTHORITY_KEY, RSA_KEY);
    host.put("kaiwudb_certs.tar.gz", "");
    std::fs::write(install.join("kaiwudb_certs/ca.key"), "").unwrap();
    std::fs::write(install.join("kaiwudb_certs.tar.gz"), "").unwrap();
    std::fs::write(install.join("other.tar.gz"), "").unwrap();
    let root = install.parent().unwrap();
    let found = host.read().leftovers;
    let own: Vec<_> = found.iter().filter(|path| path.starts_with(root.as_str())).collect();
    let expected = [
        "certs/kaiwudb_certs.tar.gz",
        "install/kaiwudb_certs.tar.gz",
        "install/kaiwudb_certs/ca.key",
    ];
    assert_eq!(own, expected.map(|path| root.join(path).into_string()).iter().collect::<Vec<_>>());
}
