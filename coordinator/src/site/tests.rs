//! A site is made once, read whole, and told all its mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{fs, os::unix::fs::PermissionsExt as _};

use bellows_proto::{digest, identity::Identity, tls};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tempfile::TempDir;

use super::*;

const NOW_MS: i64 = 1_795_000_000_000;

fn options(directory: &Path) -> Init {
    Init {
        directory: directory.to_owned(),
        name: "demo".to_owned(),
        api: Some("127.0.0.1:0".parse().unwrap()),
        enrolment: "127.0.0.1:7421".parse().unwrap(),
        enrolment_address: Some("coordinator.example:7421".to_owned()),
        socket: None,
        data_dir: None,
    }
}

fn made() -> (TempDir, PathBuf, Made) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site");
    let made = init(&options(&path), NOW_MS).unwrap();
    (dir, path, made)
}

#[test]
fn what_init_makes_serve_can_use() {
    let (_dir, path, made) = made();
    let site = Site::load(&path).unwrap();
    assert_eq!(site.config.site_id, made.site_id);
    assert_eq!(site.config.site_name, "demo");
    assert_eq!(site.config.listen.socket, path.join("bellows.sock"));
    assert_eq!(site.config.enrolment_address.as_deref(), Some("coordinator.example:7421"));
    assert_eq!(site.authorities.own().fingerprint(), made.fingerprint);
    let store = crate::store::tests::patiently(|| Store::open(&site.config.store_dir()));
    assert_eq!((store.site_id(), store.term().number), (made.site_id.clone(), 0));

    // The server's chain ends in the authority: agents that enrol compare its fingerprint.
    let chain: Vec<_> = CertificateDer::pem_slice_iter(site.credentials.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(digest::hex(&digest::of_bytes(&chain[1])), made.fingerprint);
    let holder = |der: &[u8]| Identity::from_certificate(der).unwrap();
    let expected =
        |role, name: &str| Identity { site: made.site_id.clone(), role, name: name.to_owned() };
    assert_eq!(holder(&chain[0]), expected(Role::Coordinator, COORDINATOR));
    tls::server_config(&site.credentials).unwrap();
    tls::enrolment_server_config(&site.credentials).unwrap();

    let admin = load_user(&made.admin, FIRST_ADMIN).unwrap();
    tls::client_config(&admin).unwrap();
    let der = CertificateDer::from_pem_slice(admin.certificate.as_bytes()).unwrap();
    assert_eq!(holder(&der), expected(Role::Admin, FIRST_ADMIN));
}

#[test]
fn all_of_it_is_for_its_owner_only() {
    let (_dir, path, _made) = made();
    let mut seen = 0;
    for dir in ["", "identity", "admin"] {
        for entry in fs::read_dir(path.join(dir)).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
            assert_ne!(entry.path().extension(), Some("new".as_ref()));
            seen += 1;
        }
    }
    assert_eq!(seen, 4 + 4 + 3);
}

#[test]
fn a_site_is_made_once() {
    let (_dir, path, _made) = made();
    let before = fs::read(path.join("identity/authority.crt")).unwrap();
    let again = init(&options(&path), NOW_MS).unwrap_err();
    assert!(matches!(again, SiteError::Exists(_)), "{again}");
    // Half of a site is not filled up with another half.
    fs::remove_file(path.join(CONFIG_FILE)).unwrap();
    let half = init(&options(&path), NOW_MS).unwrap_err();
    assert!(matches!(half, SiteError::Interrupted(_)), "{half}");
    let absent = Site::load(&path).unwrap_err();
    assert!(matches!(absent, SiteError::Absent(_)), "{absent}");
    assert_eq!(fs::read(path.join("identity/authority.crt")).unwrap(), before);
}

#[test]
fn a_store_that_is_there_already_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site");
    drop(Store::create(&path.join("data/store"), "other").unwrap());
    let error = init(&options(&path), NOW_MS).unwrap_err();
    assert!(matches!(error, SiteError::Store(StoreError::Exists(_))), "{error}");
}

#[test]
fn what_serve_would_refuse_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site");
    let wrong = Init {
        name: "Demo".to_owned(),
        socket: Some(PathBuf::from("relative.sock")),
        enrolment_address: Some("nowhere".to_owned()),
        ..options(&path)
    };
    let SiteError::Config { mistakes, .. } = init(&wrong, NOW_MS).unwrap_err() else {
        panic!("it must be refused")
    };
    assert_eq!(mistakes.0.len(), 3, "{mistakes}");
    assert!(!path.exists());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (_dir, path, made) = made();
    for key in ["identity/authority.key", "identity/coordinator.key"] {
        let key = path.join(key);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Site::load(&path).unwrap_err();
        assert!(matches!(&error, SiteError::Exposed(which) if *which == key), "{error}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    }
    Site::load(&path).unwrap();
    let key = made.admin.join("admin.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(load_user(&made.admin, FIRST_ADMIN).is_err());
}

#[test]
fn all_mistakes_of_a_configuration_are_told_at_once() {
    let text = "
        data_dir = 'relative'
        colour = 'red'
        [site]
        name = 'Demo'
        [listen]
        api = '0.0.0.0'
        enrolment = 7421
        sokcet = '/run/bellows.sock'
        [enrolment]
        address = 'coordinator.example'
        [listne]
        [store]
        keep_days = 36501
        kep_days = 1
        [postgresql]
        backup_max_age_hours = 0
        fronts = { orders = ['pool', 'web@h1', 'web@h1'] }
    ";
    let mistakes = Config::parse(text).unwrap_err().to_string();
    for expected in [
        "data_dir: relative is not an absolute path",
        "site.name: the name \"Demo\" is not valid",
        "site.id: is missing",
        "listen.api: invalid socket address syntax",
        "listen.enrolment: ",
        "listen.socket: is missing",
        "listen.sokcet: unknown key; the nearest known one is \"socket\"",
        "enrolment.address: \"coordinator.example\" is not HOST:PORT",
        "colour: unknown key",
        "store.keep_days: 36501 is not from 0 to 36500",
        "store.kep_days: unknown key; the nearest known one is \"keep_days\"",
        "postgresql.backup_max_age_hours: 0 is not from 1 to 8784",
        "postgresql.fronts: \"pool\" is not FRONT@HOST",
        "postgresql.fronts: web@h1 of orders is listed twice",
        "listne: unknown key; the nearest known one is \"listen\"",
    ] {
        assert!(mistakes.contains(expected), "{expected} is not in:\n{mistakes}");
    }
    assert_eq!(mistakes.lines().count(), 15, "{mistakes}");
}

#[test]
fn a_socket_path_that_the_kernel_would_refuse_is_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s".repeat(100));
    let error = init(&options(&path), NOW_MS).unwrap_err();
    assert!(matches!(error, SiteError::Config { .. }), "{error}");
}
