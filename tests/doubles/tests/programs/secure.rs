//! Certificates and mutual TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{FAST, Site, text};

fn cert(site: &Site, words: &[&str], dir: &Path, ca_key: &Path) -> (Option<i32>, String) {
    let dir = format!("--certs-dir={}", dir.display());
    let key = format!("--ca-key={}", ca_key.display());
    let mut all = vec!["cert"];
    all.extend(words);
    all.extend([dir.as_str(), key.as_str()]);
    let output = site.run(&all);
    (output.status.code(), text(&output.stderr))
}

/// Certificates for nodes 1 to `nodes`, each in its own directory, from one CA.
fn authority(site: &Site, name: &str, nodes: std::ops::RangeInclusive<u8>) {
    let ca = site.path(name);
    let key = ca.join("ca.key");
    assert_eq!(cert(site, &["create-ca"], &ca, &key), (Some(0), String::new()));
    for n in nodes {
        let dir = site.certs(n);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(ca.join("ca.crt"), dir.join("ca.crt")).unwrap();
        let host = site.host(n);
        let made = cert(site, &["create-node", &host, "localhost"], &dir, &key);
        assert_eq!(made, (Some(0), String::new()));
        assert_eq!(cert(site, &["create-client", "root"], &dir, &key), (Some(0), String::new()));
    }
}

#[test]
fn keys_are_rsa_in_pkcs1_and_nothing_is_overwritten_unasked() {
    let site = Site::new(20, FAST);
    authority(&site, "ca", 1..=1);
    let (ca, key) = (site.path("ca"), site.path("ca/ca.key"));
    for file in ["node.key", "client.root.key"] {
        let path = site.certs(1).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "{file}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (status, err) = cert(&site, &["create-node", "127.0.0.1"], &site.certs(1), &key);
    assert_eq!(status, Some(1));
    assert!(
        err.contains("file exists") && err.ends_with("Failed running \"cert create-node\"\n"),
        "{err}"
    );
    let before = std::fs::read(site.certs(1).join("node.key")).unwrap();
    let (status, _) =
        cert(&site, &["create-node", "127.0.0.1", "--overwrite"], &site.certs(1), &key);
    assert_eq!(status, Some(0));
    assert_ne!(std::fs::read(site.certs(1).join("node.key")).unwrap(), before);
    let (status, err) = cert(&site, &["create-ca"], &ca, &key);
    assert_eq!(status, Some(1));
    assert!(err.contains("exists, but key reuse is disabled"), "{err}");
    let (status, err) = cert(&site, &["create-node"], &site.certs(1), &key);
    assert_eq!(status, Some(1));
    assert!(err.contains("requires at least one host"), "{err}");
    let (status, err) =
        cert(&site, &["create-client", "x"], &site.certs(1), &site.path("none.key"));
    assert_eq!(status, Some(1));
    assert!(err.contains("no such file or directory"), "{err}");
}

#[test]
fn a_secure_cluster_lets_in_who_has_a_certificate_of_its_authority() {
    let mut site = Site::new(21, FAST);
    site.secure = true;
    authority(&site, "ca", 1..=4);
    site.cluster(3);
    site.start(4);
    site.joined(4);
    site.calm(2, 4);
    let out = site.out(1, &["node", "decommission", "4", "--wait=none"]);
    assert!(out.contains(",true,"), "{out}");

    let host = format!("--host={}", site.address(1));
    let insecure = site.run(&["node", "decommission", "4", "--insecure", &host]);
    assert_eq!(insecure.status.code(), Some(1));
    assert!(
        text(&insecure.stderr)
            .starts_with("ERROR: server closed the connection.\nIs this a KwDB node?\n"),
        "{}",
        text(&insecure.stderr)
    );
    let insecure = site.run(&["sql", "-e", "SELECT 1", "--insecure", &host]);
    assert!(
        text(&insecure.stderr).starts_with("ERROR: SSL authentication error while connecting.\n")
    );

    let fails = |dir: &Path, start: &str| {
        let dir = format!("--certs-dir={}", dir.display());
        for words in [["node", "status", "--format=csv"], ["node", "recommission", "4"]] {
            let mut all = words.to_vec();
            all.extend([dir.as_str(), host.as_str()]);
            let output = site.run(&all);
            let err = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1));
            assert!(err.starts_with(&format!("ERROR: {start}")), "{words:?}: {err}");
        }
    };
    fails(
        &site.path("nowhere"),
        "cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure",
    );
    // Of another authority.
    let strange = site.path("strange");
    assert_eq!(cert(&site, &["create-ca"], &strange, &strange.join("ca.key")).0, Some(0));
    assert_eq!(
        cert(&site, &["create-client", "root"], &strange, &strange.join("ca.key")).0,
        Some(0)
    );
    fails(&strange, "SSL authentication error while connecting.\n");
    // Trusting the cluster, but shown by a certificate of another authority.
    std::fs::copy(site.path("ca/ca.crt"), strange.join("ca.crt")).unwrap();
    fails(&strange, "SSL authentication error while connecting.\n");
    // A key that others may read.
    let open = site.certs(2).join("client.root.key");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    fails(&site.certs(2), "cannot load certificates.\n");
    // A certificate that was made for another address.
    let here = site.to(3);
    let name = format!("--host=127.0.0.1:{}", 26_257);
    drop(name);
    let wrong = site.certs(3);
    let key = site.path("ca/ca.key");
    assert_eq!(cert(&site, &["create-node", "10.1.1.1", "--overwrite"], &wrong, &key).0, Some(0));
    site.stop(3);
    site.start(3);
    let output = crate::until("node 3 to listen", || {
        let output = site.run(&["node", "status", &here[0], &here[1]]);
        (!text(&output.stderr).contains("cannot dial")).then_some(output)
    });
    let err = text(&output.stderr);
    assert!(
        err.starts_with("ERROR: SSL authentication error while connecting.\n")
            && err.contains("x509"),
        "{err}"
    );
}

#[test]
fn who_comes_with_certificates_to_an_insecure_node_is_told() {
    let mut site = Site::new(22, FAST);
    authority(&site, "ca", 1..=1);
    site.cluster(1);
    let dir = format!("--certs-dir={}", site.certs(1).display());
    let host = format!("--host={}", site.address(1));
    for words in [["node", "status", "--all"], ["node", "recommission", "1"]] {
        let mut all = words.to_vec();
        all.extend([dir.as_str(), host.as_str()]);
        let output = site.run(&all);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).starts_with("ERROR: cannot establish secure connection to insecure server.\nMaybe use --insecure?\n"), "{}", text(&output.stderr));
    }
}
