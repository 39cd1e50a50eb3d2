//! Certificates of new nodes: who needs them, who signs, and what is in the way.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{Intent, Plan, Spec, kwdb_action};

use crate::{
    play,
    refusals::refused,
    world::{self, Certificates, World, whole},
};

fn one_more() -> Intent {
    world::expand(&[("kw4", "h4")], &[])
}

fn codes(world: &World, spec: &Spec) -> Vec<(String, String)> {
    let refusals = refused(world, spec, &one_more());
    refusals.into_iter().map(|refusal| (refusal.code, refusal.value)).collect()
}

fn signs(plan: &Plan) -> Vec<(String, String)> {
    let acts = plan.steps.iter().flat_map(play::acts);
    acts.filter_map(|act| match act.action.as_ref()?.kind.as_ref()? {
        bellows_proto::v1::action::Kind::Kwdb(action) => match action.kind.as_ref()? {
            kwdb_action::Kind::SignCertificates(sign) => {
                Some((act.host.clone(), sign.address.clone()))
            }
            _ => None,
        },
        _ => None,
    })
    .collect()
}

#[test]
fn requests_and_certificates_travel_and_no_key_does() {
    let (mut world, mut spec) = world::secure(3, 1);
    let plan = play::plan(&world, &spec, &one_more());
    assert_eq!(signs(&plan), [("h1".to_owned(), "10.0.0.4".to_owned())]);
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("PRIVATE"));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let placed = &world.hosts["h4"].certificates;
    assert!(!placed.has_key && placed.node.signed == placed.node.key && placed.node.key != 0);
    let end = world.observe(&spec, Some(&one_more()));
    let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end);
    assert_eq!(drift, Vec::<String>::new());
}

#[test]
fn certificates_that_fit_are_left_as_they_are() {
    let (mut world, spec) = world::secure(3, 1);
    world.host("h4").certificates = whole("h4", 1);
    assert_eq!(signs(&play::plan(&world, &spec, &one_more())), []);
    // Nobody needs to sign.
    world.host("h1").certificates.has_key = false;
    assert_eq!(signs(&play::plan(&world, &spec, &one_more())), []);
}

#[test]
fn the_authority_of_the_cluster_alone_may_lie_there() {
    let (mut world, spec) = world::secure(3, 1);
    world.host("h4").certificates.authority = world::AUTHORITY.to_vec();
    assert_eq!(signs(&play::plan(&world, &spec, &one_more())).len(), 1);
}

type Change = fn(&mut Certificates);

#[test]
fn what_does_not_fit_is_not_overwritten() {
    let other = |change: Change| {
        let (mut world, spec) = world::secure(3, 1);
        world.host("h4").certificates = whole("h4", 1);
        change(&mut world.host("h4").certificates);
        codes(&world, &spec)
    };
    let cases: [(Change, &str); 6] = [
        (|found| found.authority = b"another".to_vec(), "another authority"),
        (|found| found.node.hosts = vec!["10.0.0.9".to_owned()], "not for 10.0.0.4"),
        (|found| found.node.key = 9, "missing or another's"),
        (|found| found.client.signed = 0, "there is no client.root.crt"),
        (|found| found.node.ends_ms = 999_999, "node.crt has ended"),
        (|found| found.client.authority = b"another".to_vec(), "not signed by ca.crt"),
    ];
    for (change, what) in cases {
        let said = other(change);
        assert!(
            said.len() == 1 && said[0].0 == "KW-27" && said[0].1.contains(what),
            "{what}: {said:?}"
        );
    }
}

#[test]
fn without_the_authoritys_key_it_is_said_what_to_place() {
    let (mut world, spec) = world::secure(3, 1);
    world.host("h1").certificates.has_key = false;
    let said = codes(&world, &spec);
    assert!(said[0].0 == "KW-26" && said[0].1.contains("h4:/etc/kaiwudb/certs"), "{said:?}");
}

#[test]
fn the_host_that_is_named_signs_or_nobody_does() {
    let mode = bellows_proto::v1::KwdbStartMode::MultiReplica;
    let tls = bellows_proto::v1::KwdbSecurity::Tls;
    let (mut world, spec) = world::adopted(3, 1, mode, tls, &[("ca_host", "h3")]);
    let said = codes(&world, &spec);
    assert!(said[0].0 == "KW-26" && said[0].1.contains("h3"), "{said:?}");
    world.host("h3").certificates.has_key = true;
    let plan = play::plan(&world, &spec, &one_more());
    assert_eq!(signs(&plan), [("h3".to_owned(), "10.0.0.4".to_owned())]);
    assert!(plan.notes.iter().any(|note| note.text.contains("ca.key is on h1 too")));
}

#[test]
fn members_of_two_authorities_are_not_led_further() {
    let (mut world, spec) = world::secure(3, 1);
    world.host("h2").certificates.authority = b"another".to_vec();
    let said = codes(&world, &spec);
    assert!(
        said.iter().any(|(code, text)| code == "KW-03" && text.contains("different authorities"))
    );
}
