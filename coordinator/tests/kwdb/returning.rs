//! Members come back, are restarted, and clusters get other options.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{
    Intent, KwdbFrontEnd, KwdbSecurity, KwdbStartMode, Plan, Refusal, Spec, spec_options,
};

use crate::{
    play, render,
    world::{self, World},
};

/// To its end, which is the predicted one.
fn played(mut world: World, spec: &Spec, intent: &Intent) -> (World, Spec, Plan) {
    let plan = play::plan(&world, spec, intent);
    let mut spec = spec.clone();
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let end = world.observe(&spec, plan.intent.as_ref());
    let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end);
    assert_eq!(drift, Vec::<String>::new());
    (world, spec, plan)
}

fn refused(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    let observation = world.observe(spec, Some(intent));
    AllSystems::default().plan(spec, &observation, intent).unwrap_err()
}

fn codes(world: &World, spec: &Spec, intent: &Intent) -> Vec<String> {
    refused(world, spec, intent).into_iter().map(|refusal| refusal.code).collect()
}

/// Its disk was lost: it is stopped, and its directory is empty.
fn loses_its_disk(world: &mut World, host: &str) {
    (world.host(host).running, world.host(host).store) = (false, None);
    let joins = "--join=10.0.0.1:26257,10.0.0.9".to_owned();
    world.host(host).command = vec!["kwbase".to_owned(), "start".to_owned(), joins];
    world.underreplicated = Some(3);
}

/// Nothing is under-replicated any more once it is back.
fn mended(world: &World) -> World {
    World { underreplicated: Some(0), ..world.clone() }
}

#[test]
fn with_enough_others_the_old_id_leaves_first() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    loses_its_disk(&mut world, "h4");
    let intent = world::rejoin("h4", false, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
    let (world, after, _) = played(mended(&world), &spec, &intent);
    assert_eq!(after, spec, "members are as they were");
    assert!(world.known[&4].decommissioning);
    assert_eq!(world.hosts["h4"].store, Some(5), "it came back as somebody new");
}

#[test]
fn with_too_few_others_it_comes_anew_first() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    loses_its_disk(&mut world, "h3");
    let intent = world::rejoin("h3", false, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
    let (world, _, _) = played(mended(&world), &spec, &intent);
    assert!(world.known[&3].decommissioning && world.known[&3].replicas == 0);
    assert_eq!(world.hosts["h3"].store, Some(4));
}

#[test]
fn what_was_decommissioned_by_hand_comes_back_without_its_data() {
    let (mut world, spec) = world::grown(3, 1, 0, &[]);
    world.known.get_mut(&4).unwrap().decommissioning = true;
    world.spread();
    let intent = world::rejoin("kw4", true, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
    let (world, _, plan) = played(world.clone(), &spec, &intent);
    assert_eq!(world.hosts["h4"].store, Some(5));
    let step = plan.steps.iter().find(|step| step.number == plan.point_of_no_return).unwrap();
    assert!(step.title.starts_with("discard the data of kw4"), "{}", step.title);
}

#[test]
fn a_node_that_has_left_long_ago_only_joins() {
    let (mut world, spec) = world::grown(3, 1, 0, &[]);
    world.known.get_mut(&4).unwrap().decommissioning = true;
    world.host("h4").running = false;
    world.spread();
    let (world, _, plan) = played(world.clone(), &spec, &world::rejoin("kw4", true, &[]));
    assert_eq!(world.hosts["h4"].store, Some(5));
    assert!(plan.steps.iter().all(|step| !step.title.starts_with("decommission")));
}

#[test]
fn what_starts_it_is_written_again_where_it_leads_nowhere() {
    let (mut world, spec) = world::grown(3, 1, 0, &[]);
    world.known.get_mut(&4).unwrap().decommissioning = true;
    world.spread();
    world.host("h4").start.as_mut().unwrap().join = vec!["10.0.0.77:26257".to_owned()];
    let (world, _, _) = played(world.clone(), &spec, &world::rejoin("kw4", true, &[]));
    let joins = &world.hosts["h4"].start.as_ref().unwrap().join;
    assert_eq!(joins, &["10.0.0.1:26257", "10.0.0.2:26257", "10.0.0.3:26257"]);
}

#[test]
fn a_return_is_refused_where_it_is_none() {
    let (well, spec) = world::grown(3, 1, 0, &[]);
    let plain = world::rejoin("kw4", false, &[]);
    assert_eq!(codes(&well, &spec, &plain), ["KW-01", "KW-50"], "it runs, and is well");
    assert_eq!(codes(&well, &spec, &world::rejoin("kw9", false, &[])), ["KW-01"]);

    // Stopped with its data: it is a member, and only needs to be started.
    let mut world = well.clone();
    world.host("h4").running = false;
    let said = refused(&world, &spec, &plain);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].value.contains("started by its unit it goes on with them"),
        "{}",
        said[0].value
    );

    // Not ours to discard.
    let mut world = well.clone();
    world.known.get_mut(&2).unwrap().decommissioning = true;
    world.spread();
    let odd = codes(&world, &spec, &world::rejoin("h2", true, &[]));
    assert_eq!(odd, ["KW-51", "KW-52"], "nothing tells whom it joins");

    // Another one ails too.
    let mut world = well;
    world.known.get_mut(&4).unwrap().decommissioning = true;
    world.spread();
    world.host("h2").running = false;
    assert!(codes(&world, &spec, &world::rejoin("kw4", true, &[])).contains(&"KW-11".to_owned()));
}

#[test]
fn a_secure_one_comes_back_with_its_certificates_only() {
    let (mut world, spec) = world::secure(4, 0);
    loses_its_disk(&mut world, "h4");
    world.host("h4").certificates.node.hosts = vec!["10.9.9.9".to_owned()];
    assert_eq!(codes(&world, &spec, &world::rejoin("h4", false, &[])), ["KW-27"]);
}

#[test]
fn restart_all() {
    let (world, spec) = world::cluster(3, 0, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &world::restart(&[]))));
    let (world, _, _) = played(world, &spec, &world::restart(&[]));
    assert!(world.known.values().all(|known| known.starts == 2), "each of them once");
}

#[test]
fn restart_one_of_a_single_replica_cluster() {
    let (mode, security) = (KwdbStartMode::SingleReplica, KwdbSecurity::Insecure);
    let (world, spec) = world::adopted(2, 0, mode, security, &[]);
    let (world, _, plan) = played(world, &spec, &world::restart(&["h2"]));
    assert_eq!((world.known[&1].starts, world.known[&2].starts), (1, 2));
    let told = plan.notes.iter().any(|note| note.text.contains("there is one replica"));
    assert!(told, "{:?}", plan.notes);
}

#[test]
fn a_restart_is_refused_where_nobody_may_stop_it() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.host("h2").left_alone = "kaiwudb.service is masked";
    assert_eq!(codes(&world, &spec, &world::restart(&["h2"])), ["KW-37"]);
    assert_eq!(codes(&world, &spec, &world::restart(&["h9"])), ["KW-01"]);
    world.underreplicated = Some(1);
    assert_eq!(codes(&world, &spec, &world::restart(&["h1"])), ["KW-12"]);
}

#[test]
fn reconfigure_everything() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    world.hosts.values_mut().for_each(|host| host.deploy_sh = true);
    let options = [("front_end", "deploy.sh"), ("min_members", "4"), ("poll_s", "120")];
    let intent = world::reconfigure(&options);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
    let (_, spec, _) = played(world, &spec, &intent);
    let Some(spec_options::System::Kwdb(after)) = spec.options.unwrap().system else { panic!() };
    let set = (after.front_end(), after.min_members, after.poll_s);
    assert_eq!(set, (KwdbFrontEnd::DeploySh, 4, 120));
}

#[test]
fn options_that_cannot_be_are_refused() {
    let (world, spec) = world::cluster(3, 0, &[]);
    let codes = |options: &[(&str, &str)]| codes(&world, &spec, &world::reconfigure(options));
    assert_eq!(codes(&[]), ["KW-01"], "nothing would change");
    assert_eq!(codes(&[("min_members", "4")]), ["KW-36"]);
    assert_eq!(codes(&[("front_end", "deploy.sh")]), ["KW-29", "KW-29", "KW-29"]);
    assert_eq!(codes(&[("ca_host", "h1")]), ["KW-01"], "insecure: nobody signs");
    let (world, spec) = world::secure(3, 0);
    let intent = world::reconfigure(&[("ca_host", "h2")]);
    assert_eq!(refused(&world, &spec, &intent)[0].code, "KW-26");
}
