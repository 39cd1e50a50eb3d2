//! Plans as golden text.

use bellows::spec;
use bellows_proto::v1::System;

use crate::{
    play, render,
    world::{self, CLUSTER, World},
};

#[test]
fn create_three() {
    let world = World::empty(3);
    let spec = spec::blank(CLUSTER, System::Postgresql);
    let intent = world::create(
        &[("pg1", "h1"), ("pg2", "h2"), ("pg3", "h3")],
        &[("min_members", "3"), ("client_networks", "10.9.0.0/16")],
    );
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn expand_one() {
    let (world, spec) = world::cluster(3, 1, &[("client_networks", "10.9.0.0/16")]);
    let intent = world::expand(&[("pg4", "h4")], &[("clone_rate_kib", "20480")]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn expand_two_with_another_minor_version() {
    let (mut world, spec) = world::cluster(2, 2, &[]);
    world.host("h4").postgres = "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)";
    let intent = world::expand(&[("pg10", "h4"), ("pg9", "h3")], &[("port", "5433")]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn shrink_one() {
    let (world, spec) = world::cluster(4, 0, &[("min_members", "3")]);
    let intent = world::shrink(&["pg3"], &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn replace_a_living_standby() {
    let (world, spec) = world::cluster(3, 1, &[("min_members", "3")]);
    let intent = world::replace("pg3", ("pg4", "h4"), false, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn replace_a_living_primary() {
    let (mut world, spec) = world::cluster(3, 1, &[("min_members", "3")]);
    for (user, count) in [("web", 12), ("cron", 3), ("report", 2)] {
        world.connect("pg1", user, count);
    }
    world.connect("pg2", "report", 7);
    let intent = world::replace("pg1", ("pg4", "h4"), false, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn replace_a_dead_standby() {
    let (mut world, spec) = world::cluster(3, 1, &[("min_members", "3")]);
    world.dies("h3");
    let intent = world::replace("pg3", ("pg4", "h4"), true, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn shrink_two_with_wipe_and_a_slot_that_another_primary_made() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    // As after a failover: repmgr made the slot, nobody claimed it here.
    world.node("pg1").resources.remove("postgresql:slot:repmgr_slot_4");
    let intent = world::shrink(&["pg4", "pg2"], &[("data", "wipe")]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

/// The last by name, as people count, and the plan names it: applied later it is the same.
#[test]
fn a_shrink_by_a_number_names_who_leaves() {
    let (world, spec) = world::cluster(10, 0, &[]);
    let plan = play::plan(&world, &spec, &world::shrink_by(2));
    let named = world::shrink(&["pg10", "pg9"], &[]);
    assert_eq!(plan.intent.as_ref().unwrap().verb, named.verb);
    assert_eq!(
        plan.notes.first().unwrap().text,
        "pg10, pg9 leave: the last by name, in natural order, and never the primary (pg1)"
    );
}

#[test]
fn the_primary_moves_to_whom_is_named() {
    let (world, spec) = world::cluster(3, 0, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &world::switchover("pg3"))));
}

#[test]
fn shrink_the_primary() {
    let (world, spec) = world::cluster(4, 0, &[("min_members", "3")]);
    let intent = world::shrink(&["pg1"], &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn restart_all() {
    let (world, spec) = world::cluster(3, 0, &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &world::restart(&[], false))));
}

#[test]
fn restart_one_standby() {
    let (world, spec) = world::cluster(3, 0, &[]);
    let intent = world::restart(&["pg3"], false);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn restart_the_primary_in_place() {
    let (world, spec) = world::cluster(3, 0, &[]);
    let intent = world::restart(&["pg1"], true);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn reconfigure_everything() {
    let options = [("client_networks", "10.9.0.0/16,10.8.0.0/16"), ("clone_rate_kib", "1024")];
    let (world, spec) = world::cluster(3, 0, &options);
    let change =
        [("client_networks", "10.9.0.0/16"), ("clone_rate_kib", "0"), ("min_members", "3")];
    let intent = world::reconfigure(&change);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn rejoin_with_the_data_that_are_there() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.fails_over("pg1", "pg2", false);
    let intent = world::rejoin("pg1", false);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn rejoin_a_second_primary_with_data_copied_anew() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.fails_over("pg1", "pg2", false);
    world.starts_again("pg1");
    let intent = world::rejoin("pg1", true);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}
