//! Who is let in, and how often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bellows_proto::{
    identity::{Identity, Role},
    v1::{
        Accepted, CertificateFacts, Event, Lock, Rested, Resumed, Spec, SpecTombstone, event::Kind,
    },
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tempfile::TempDir;

use super::*;
use crate::store::{Begin, Changes};

const SITE: &str = "0e4ecf5a-0000-4000-8000-000000000001";
const NOW_MS: i64 = 1_795_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn authority() -> Authority {
    let made = Authority::create(SITE, NOW_MS).unwrap();
    Authority::load(SITE, &made.certificate, &made.private_key).unwrap()
}

fn inventory() -> (TempDir, Inventory) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("store"), SITE).unwrap();
    (dir, Inventory::new(Arc::new(store), Authorities::alone(Arc::new(authority()))))
}

fn token(inventory: &Inventory, host: &str) -> String {
    let token = inventory.create_token(host, MINUTE, "root", NOW_MS).unwrap();
    assert_eq!(token.expires_at_ms, NOW_MS + 60_000);
    token.text.to_string()
}

fn request_of(key: &KeyPair, token: &str) -> EnrolRequest {
    let request = CertificateParams::default().serialize_request(key).unwrap();
    EnrolRequest {
        token: token.to_owned(),
        certificate_request: request.pem().unwrap(),
        address: "10.0.0.1:7430".to_owned(),
        machine_id: "m".to_owned(),
    }
}

fn request(token: &str) -> EnrolRequest {
    request_of(&KeyPair::generate().unwrap(), token)
}

fn refusal(inventory: &Inventory, request: &EnrolRequest, now_ms: i64) -> TokenRefusal {
    let error = inventory.enrol(request, now_ms).unwrap_err();
    let EnrolError::Token(why) = error else { panic!("{error}") };
    why
}

#[test]
fn a_host_is_let_in_once_and_known_after_a_restart() {
    let (dir, inventory) = inventory();
    let text = token(&inventory, "h1");
    let reply = inventory.enrol(&request(&text), NOW_MS + 5).unwrap();
    let der = CertificateDer::from_pem_slice(reply.certificate.as_bytes()).unwrap();
    let identity = Identity::from_certificate(&der).unwrap();
    assert_eq!((identity.role, identity.name.as_str()), (Role::Agent, "h1"));
    assert_eq!((reply.host.as_str(), reply.site.as_str()), ("h1", SITE));
    assert_eq!(reply.authority, inventory.authority().certificate());

    assert_eq!(refusal(&inventory, &request(&text), NOW_MS + 6), TokenRefusal::Used);
    let authorities = Authorities::clone(&inventory.authorities());
    drop(inventory);
    let store = crate::store::tests::patiently(|| Store::open(&dir.path().join("store")));
    let inventory = Inventory::new(Arc::new(store), authorities);
    assert_eq!(refusal(&inventory, &request(&text), NOW_MS + 7), TokenRefusal::Used);
    let host = inventory.host("h1").unwrap().unwrap();
    assert_eq!((host.address.as_str(), host.enrolled_at_ms), ("10.0.0.1:7430", NOW_MS + 5));
    assert_eq!(shown_fingerprint(&host).len(), 64);
}

#[test]
fn a_token_does_not_outlive_its_time() {
    let (_dir, inventory) = inventory();
    let text = token(&inventory, "h1");
    assert_eq!(refusal(&inventory, &request(&text), NOW_MS + 60_000), TokenRefusal::Expired);
    inventory.enrol(&request(&text), NOW_MS + 59_999).unwrap();
    for wrong in [Duration::ZERO, TOKEN_VALID_MOST + MINUTE] {
        let error = inventory.create_token("h1", wrong, "root", NOW_MS);
        assert!(matches!(error, Err(TokenError::Validity)));
    }
    let error = inventory.create_token("H1", MINUTE, "root", NOW_MS);
    assert!(matches!(error, Err(TokenError::Name(_))));
}

#[test]
fn wrong_tokens_let_nobody_in_and_use_nothing_up() {
    let (_dir, inventory) = inventory();
    let text = token(&inventory, "h1");
    let other_host = text.replace(".h1.", ".h2.");
    let digit = text.as_bytes()["bellows1.h1.".len()];
    let flipped = if digit == b'0' { "1" } else { "0" };
    let mut wrong_secret = text.clone();
    wrong_secret.replace_range(12..13, flipped);
    let foreign = Token::make(&"h1".parse().unwrap(), authority().fingerprint()).unwrap();
    for (bad, why) in [
        ("bellows1.h1", TokenRefusal::Form),
        (other_host.as_str(), TokenRefusal::Unknown),
        (wrong_secret.as_str(), TokenRefusal::Wrong),
        (foreign.text().as_str(), TokenRefusal::OtherAuthority),
    ] {
        assert_eq!(refusal(&inventory, &request(bad), NOW_MS), why, "{bad}");
    }
    assert_eq!(inventory.hosts().unwrap(), []);
    inventory.enrol(&request(&text), NOW_MS).unwrap();
}

#[test]
fn a_newer_token_replaces_the_older_one() {
    let (_dir, inventory) = inventory();
    let older = token(&inventory, "h1");
    let newer = token(&inventory, "h1");
    assert_eq!(refusal(&inventory, &request(&older), NOW_MS), TokenRefusal::Wrong);
    inventory.enrol(&request(&newer), NOW_MS).unwrap();
}

#[test]
fn a_request_that_is_no_good_does_not_use_the_token_up() {
    let (_dir, inventory) = inventory();
    let text = token(&inventory, "h1");
    let garbage = EnrolRequest { certificate_request: "garbage".to_owned(), ..request(&text) };
    assert!(matches!(
        inventory.enrol(&garbage, NOW_MS),
        Err(EnrolError::Request(CaError::Request(_)))
    ));
    for address in ["", "h1", "h1:0", "h1:x", "u@h1:1", "h 1:1"] {
        let bad = EnrolRequest { address: address.to_owned(), ..request(&text) };
        let error = inventory.enrol(&bad, NOW_MS).unwrap_err();
        assert!(matches!(error, EnrolError::Address(_)), "{address}: {error}");
    }
    inventory.enrol(&request(&text), NOW_MS).unwrap();
}

#[test]
fn a_host_is_its_key() {
    let (_dir, inventory) = inventory();
    let key = KeyPair::generate().unwrap();
    let first = token(&inventory, "h1");
    inventory.enrol(&request_of(&key, &first), NOW_MS).unwrap();
    let copied = token(&inventory, "h2");
    let error = inventory.enrol(&request_of(&key, &copied), NOW_MS);
    assert!(matches!(error, Err(EnrolError::KeyInUse(host)) if host == "h1"));
    // Set up anew: the administrator made a token, the key is another.
    let before = inventory.host("h1").unwrap().unwrap();
    let again = token(&inventory, "h1");
    inventory.enrol(&request(&again), NOW_MS + 1).unwrap();
    let after = inventory.host("h1").unwrap().unwrap();
    assert_ne!(before.key_fingerprint, after.key_fingerprint);
    assert_eq!(inventory.hosts().unwrap().len(), 1);
    // Whoever still has the old key, e.g. a copy of the old disk, is not that host any more.
    assert!(inventory.is_revoked(&before.key_fingerprint).unwrap());
    assert!(!inventory.is_revoked(&after.key_fingerprint).unwrap());
    let back = request_of(&key, &token(&inventory, "h1"));
    let refused = inventory.enrol(&back, NOW_MS + 2);
    assert!(matches!(&refused, Err(EnrolError::Revoked(host)) if host == "h1"), "{refused:?}");
}

#[test]
fn the_last_status_is_kept() {
    let (_dir, inventory) = inventory();
    assert_eq!(inventory.status("c").unwrap(), None);
    let status =
        ClusterStatus { cluster: "c".to_owned(), observed_at_ms: 7, ..ClusterStatus::default() };
    inventory.put_status(&status).unwrap();
    assert_eq!(inventory.status("c").unwrap(), Some(status));
    assert_eq!(inventory.clusters().unwrap(), []);
    assert_eq!(inventory.cluster("c").unwrap(), None);
    assert_eq!(inventory.held_by("c").unwrap(), "");
}

#[test]
fn a_host_leaves_for_good_once_nothing_needs_it() {
    let (_dir, inventory) = inventory();
    let key = KeyPair::generate().unwrap();
    let again = token(&inventory, "h1");
    inventory.enrol(&request_of(&key, &again), NOW_MS).unwrap();
    let fingerprint = inventory.host("h1").unwrap().unwrap().key_fingerprint;
    let remove = |host| inventory.remove_host(host, "root", NOW_MS, false, &[]);
    assert!(matches!(remove("h2"), Err(RemoveError::Unknown(_))));

    let event = |sequence, kind| Event { sequence, at_ms: NOW_MS, kind: Some(kind) };
    let operation = uuid::Builder::from_unix_timestamp_millis(1, &[1; 10]).into_uuid().to_string();
    let begin = Begin {
        operation: &operation,
        accepted: &event(1, Kind::Accepted(Accepted::default())),
        cluster: "c",
        spec_version: 0,
        locks: &[Lock { resource: "host/h1".to_owned(), exclusive: false }],
    };
    inventory.store.begin(begin).unwrap();
    let held = remove("h1");
    assert!(matches!(held, Err(RemoveError::Store(StoreError::Locked { .. }))), "{held:?}");
    let rested = event(2, Kind::Rested(Rested::default()));
    let changes = Changes { release_locks: true, ..Changes::default() };
    inventory.store.append(&operation, &rested, &changes).unwrap();

    // A host that died with a node, which was replaced since.
    let second = uuid::Builder::from_unix_timestamp_millis(2, &[1; 10]).into_uuid().to_string();
    inventory.store.begin(Begin { operation: &second, locks: &[], ..begin }).unwrap();
    let stone = SpecTombstone { host: "h1".into(), owed_act: 3, ..SpecTombstone::default() };
    let spec = Spec {
        cluster: "c".into(),
        version: 1,
        tombstones: vec![stone.clone()],
        ..Spec::default()
    };
    let changes = Changes { put_spec: Some(&spec), ..Changes::default() };
    inventory
        .store
        .append(&second, &event(2, Kind::Resumed(Resumed::default())), &changes)
        .unwrap();
    assert!(matches!(remove("h1"), Err(RemoveError::Owed { .. })));
    // Its cluster may be forgotten once the host says that it has it; the host too.
    let delete = |delivered: &[SpecTombstone]| inventory.delete_cluster("c", 1, false, delivered);
    assert!(matches!(delete(&[]), Err(DeleteError::Owes { .. })));
    let another = SpecTombstone { node: "n".into(), ..stone.clone() };
    assert!(matches!(delete(&[another]), Err(DeleteError::Owes { .. })));
    let remove =
        |host| inventory.remove_host(host, "root", NOW_MS, false, std::slice::from_ref(&stone));

    assert!(!inventory.is_revoked(&fingerprint).unwrap());
    assert_eq!(remove("h1").unwrap().key_fingerprint, fingerprint);
    assert!(inventory.is_revoked(&fingerprint).unwrap());
    assert_eq!(inventory.host("h1").unwrap(), None);
    assert!(matches!(remove("h1"), Err(RemoveError::Unknown(_))));

    // Not even with a new token: the key was that of a host that left.
    let request = request_of(&key, &token(&inventory, "h1"));
    let refused = inventory.enrol(&request, NOW_MS);
    assert!(matches!(refused, Err(EnrolError::Revoked(_))), "{refused:?}");
    inventory.enrol(&self::request(&request.token), NOW_MS).unwrap();
}

#[test]
fn a_revoked_host_stays_known_and_comes_back_with_another_key_only() {
    use crate::{agents::Addresses as _, store::Revocation};
    let (_dir, inventory) = inventory();
    let (key, next) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let text = token(&inventory, "h1");
    inventory.enrol(&request_of(&key, &text), NOW_MS).unwrap();
    let fingerprint = inventory.host("h1").unwrap().unwrap().key_fingerprint;
    // A renewal is under way, and somebody has a token.
    let asked = CertificateParams::default().serialize_request(&next).unwrap().pem().unwrap();
    inventory.sign_renewal("h1", &fingerprint, &asked, NOW_MS).unwrap();
    let waiting = token(&inventory, "h1");
    let why = Revocation { at_ms: NOW_MS, principal: "alice".into(), reason: "stolen".into() };
    let revoke = || inventory.revoke_host("h1", &why);

    let event = |sequence, kind| Event { sequence, at_ms: NOW_MS, kind: Some(kind) };
    let operation = uuid::Builder::from_unix_timestamp_millis(1, &[1; 10]).into_uuid().to_string();
    let begin = Begin {
        operation: &operation,
        accepted: &event(1, Kind::Accepted(Accepted::default())),
        cluster: "c",
        spec_version: 0,
        locks: &[Lock { resource: "host/h1".to_owned(), exclusive: false }],
    };
    inventory.store.begin(begin).unwrap();
    let held = revoke();
    assert!(matches!(held, Err(RemoveError::Store(StoreError::Locked { .. }))), "{held:?}");
    assert!(!inventory.is_revoked(&fingerprint).unwrap() && inventory.refusal("h1").is_none());
    let rested = event(2, Kind::Rested(Rested::default()));
    let changes = Changes { release_locks: true, ..Changes::default() };
    inventory.store.append(&operation, &rested, &changes).unwrap();

    let revoked = revoke().unwrap();
    for key in [&fingerprint, &revoked.next_key] {
        assert_eq!(inventory.store.revoked(key).unwrap().unwrap().reason, "stolen");
    }
    let refusal = inventory.refusal("h1").unwrap();
    assert!(refusal.message.contains("alice") && refusal.message.contains("stolen"), "{refusal}");
    // Again, by somebody else: the first word stays.
    let again = Revocation { principal: "bob".into(), ..why.clone() };
    assert_eq!(inventory.revoke_host("h1", &again).unwrap().revocation, Some(why.clone()));
    assert!(matches!(inventory.revoke_host("h9", &why), Err(RemoveError::Unknown(_))));

    // Neither the renewal, nor the old token, nor the old keys with a new one.
    let shown = CertificateFacts { key: revoked.next_key, ..CertificateFacts::default() };
    assert!(inventory.renewed("h1", &shown, NOW_MS).is_err());
    assert_eq!(refusal_of(&inventory, &waiting), TokenRefusal::Unknown);
    let text = token(&inventory, "h1");
    for key in [&key, &next] {
        let refused = inventory.enrol(&request_of(key, &text), NOW_MS);
        assert!(matches!(refused, Err(EnrolError::Revoked(_))), "{refused:?}");
    }
    inventory.enrol(&request(&text), NOW_MS).unwrap();
    assert!(inventory.refusal("h1").is_none());
}

fn refusal_of(inventory: &Inventory, token: &str) -> TokenRefusal {
    refusal(inventory, &request(token), NOW_MS)
}

#[tokio::test]
async fn a_revoked_key_is_not_talked_to() {
    use bellows_proto::tls::{self, Credentials};
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let asked = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let now_ms = crate::clock::now_ms();
    let signed = authority.sign(&asked, &"h1".parse().unwrap(), now_ms).unwrap();
    let of = |certificate: String, private_key: String| Credentials {
        certificate,
        private_key,
        authority: authority.certificate().to_owned(),
    };
    let own = authority.issue(Role::Coordinator, "c", now_ms).unwrap();
    let own = of(own.certificate, own.private_key.to_string());
    let server = tls::server_config(&of(signed.certificate, key.serialize_pem())).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _incoming = tls::incoming(listener, server, 8);
    let name = Identity { site: SITE.into(), role: Role::Agent, name: "h1".into() }.dns_name();
    let dial = async |revoked: Option<[u8; 32]>| {
        let config = tls::client_config_without(&own, move |key| Some(*key) == revoked).unwrap();
        tls::peer_key(&address, &name, config, Duration::from_secs(10)).await
    };
    assert_eq!(dial(None).await.unwrap(), signed.key_fingerprint);
    assert!(dial(Some(signed.key_fingerprint)).await.is_err());
}
