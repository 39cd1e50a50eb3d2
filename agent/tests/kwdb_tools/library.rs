//! Command lines of the agent against the double as a library, and what it prints against the agent's parsers.

use std::{collections::BTreeMap, time::Duration};

use bellows_agent::{
    exec::Invocation,
    tools::kwbase::{
        Dial, Program, Rows, Security, errors,
        errors::Cause,
        sql::{self, Setting, Statement},
        status,
    },
};
use bellows_doubles::kwdb::{
    Cluster, Knobs, StartArgs, StartMode, Store, cli,
    cli::{LocalWire, Turn, begin},
};
use bellows_proto::v1::KwdbCluster;
use camino::Utf8Path;

const START_MS: i64 = 1_767_600_000_000;
const SECOND: Duration = Duration::from_secs(3);

/// A cluster and a clock.
struct World {
    cluster: Cluster,
    now_ms: i64,
}

impl World {
    fn of(nodes: u32, mode: StartMode, knobs: Knobs) -> Self {
        let id = "6c1f6b4e-0000-4000-8000-000000000001";
        let cluster = Cluster::new(id, mode, false, knobs, START_MS);
        let mut world = Self { cluster, now_ms: START_MS };
        for number in 1..=nodes {
            let words = [
                mode.word().to_owned(),
                "--insecure".to_owned(),
                "--store=/data".to_owned(),
                "--brpc-addr=:27257".to_owned(),
                format!("--listen-addr=10.0.0.{number}:26257"),
                "--join=10.0.0.1:26257".to_owned(),
            ];
            let args = StartArgs::parse(&words, &BTreeMap::new(), &Knobs::default()).unwrap();
            world.cluster.join(&mut Store::default(), &args, world.now_ms).unwrap();
        }
        world.pass(600_000);
        world
    }

    fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
        self.cluster.advance(self.now_ms);
    }

    /// Its output, standard error and exit status.
    fn run(&mut self, invocation: &Invocation) -> (Vec<u8>, Vec<u8>, i32) {
        let env = invocation.environment.clone();
        let call = cli::Invocation { argv: invocation.arguments.clone(), env, tty: false };
        let mut client = begin(&call, &self.cluster.knobs, self.now_ms);
        let end_ms = self.now_ms + 60_000;
        while self.now_ms < end_ms {
            let mut wire = LocalWire {
                cluster: &mut self.cluster,
                now_ms: self.now_ms,
                local: "10.0.0.1",
                reaches: &|_| true,
                certificates: &|_| false,
            };
            match client.go(&mut wire, self.now_ms) {
                Turn::Ended { status } => {
                    return (client.stdout.into_bytes(), client.stderr.into_bytes(), status);
                }
                Turn::Again { at_ms } => self.now_ms = at_ms.max(self.now_ms + 1),
            }
        }
        panic!("{:?} never ends", invocation.arguments);
    }

    fn out(&mut self, invocation: &Invocation) -> Vec<u8> {
        let (out, err, status) = self.run(invocation);
        assert_eq!(status, 0, "{}", String::from_utf8_lossy(&err));
        out
    }

    fn cause(&mut self, invocation: &Invocation) -> Cause {
        let (_, err, status) = self.run(invocation);
        assert_eq!(status, 1, "{}", String::from_utf8_lossy(&err));
        errors::cause(&err)
    }

    fn asked(&mut self, statements: &[Statement]) -> KwdbCluster {
        let out = self.out(&dial(1).sql(statements, SECOND));
        let mut cluster = KwdbCluster::default();
        sql::read(&out, statements, &mut cluster)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)));
        cluster
    }

    fn replicas(&mut self, id: u32) -> u64 {
        self.asked(&[Statement::Replicas(id)]).replicas[0].count
    }
}

fn dial(number: u8) -> Dial<'static> {
    Dial {
        program: Program { path: Utf8Path::new("/kwbase"), container: None },
        host: ([10, 0, 0, number], 26257).into(),
        security: Security::Insecure,
    }
}

#[test]
fn members_are_told_in_both_forms() {
    let mut world = World::of(4, StartMode::Start, Knobs::default());
    let active = status::parse_status(&world.out(&dial(2).status(Rows::Active, SECOND))).unwrap();
    assert_eq!(active.len(), 4);
    assert!(active.iter().all(|row| row.is_live && row.is_available), "{active:?}");
    assert_eq!(active[3].address, "10.0.0.4:26257");
    assert_eq!((active[0].start_mode.as_str(), active[0].build.as_str()), ("start", "V3.1.0"));
    let known = status::parse_status(&world.out(&dial(2).status(Rows::Known, SECOND))).unwrap();
    assert!(known.iter().all(|row| row.is_decommissioning == Some(false)));
    assert!(known.iter().all(|row| row.gossiped_replicas.is_some()));
}

#[test]
fn the_cluster_answers_all_statements_of_one_run() {
    let mut world = World::of(4, StartMode::Start, Knobs::default());
    let statements = [
        Statement::Health,
        Statement::Stores,
        Statement::Zones,
        Statement::Jobs,
        Statement::Liveness,
        Statement::Replicas(1),
        Statement::Replicas(4),
        Statement::Left(4),
        Statement::Show(Setting::Rebalance),
        Statement::Show(Setting::RebalanceRate),
        Statement::Show(Setting::RecoveryRate),
    ];
    let cluster = world.asked(&statements);
    assert_eq!((cluster.ranges_unavailable, cluster.ranges_underreplicated), (Some(0), Some(0)));
    assert_eq!((cluster.stores.len(), cluster.liveness.len()), (4, 4));
    let default = cluster.zones.iter().find(|zone| zone.target == "RANGE default").unwrap();
    assert_eq!(default.num_replicas, Some(3));
    assert!(cluster.replicas.iter().all(|one| one.count > 0), "{:?}", cluster.replicas);
    assert!(!cluster.left.is_empty() && cluster.left.len() <= 8);
    assert_eq!((cluster.rebalance, cluster.rebalance_rate), (Some(true), 8 << 20));
    world.out(&dial(1).sql(&[Statement::SetRebalance(false)], SECOND));
    assert_eq!(world.asked(&[Statement::Show(Setting::Rebalance)]).rebalance, Some(false));
}

#[test]
fn a_node_is_drained_and_comes_back() {
    let mut world = World::of(4, StartMode::Start, Knobs::default());
    let before = world.replicas(4);
    let rows = status::parse_flagged(&world.out(&dial(1).decommission(4, SECOND))).unwrap();
    assert_eq!((rows.len(), rows[0].id, rows[0].is_decommissioning), (1, 4, true));
    assert_eq!(rows[0].replicas, before);
    world.pass(30_000);
    assert!(world.replicas(4) < before);
    let rows = status::parse_flagged(&world.out(&dial(1).recommission(4, SECOND))).unwrap();
    assert!(!rows[0].is_decommissioning);
    world.out(&dial(1).decommission(4, SECOND));
    for _ in 0..60 {
        world.pass(30_000);
    }
    assert_eq!(world.replicas(4), 0);
    // With nothing left the tool says more than its table.
    let out = world.out(&dial(1).decommission(4, SECOND));
    assert_eq!(status::parse_flagged(&out).unwrap()[0].replicas, 0);
}

#[test]
fn a_node_that_was_gone_for_long_has_no_address() {
    let mut world = World::of(5, StartMode::Start, Knobs::default());
    world.cluster.set_up(5, false, world.now_ms);
    world.pass(3 * 3_600_000);
    let known = status::parse_status(&world.out(&dial(1).status(Rows::Known, SECOND))).unwrap();
    let row = known.iter().find(|row| row.id == 5).unwrap();
    assert_eq!((row.address.as_str(), row.is_live, row.gossiped_replicas), ("", false, None));
}

#[test]
fn refusals_have_their_causes() {
    let mut world = World::of(4, StartMode::Start, Knobs::default());
    assert_eq!(world.cause(&dial(1).decommission(9, SECOND)), Cause::NoSuchNode);
    assert_eq!(world.cause(&dial(9).status(Rows::Active, SECOND)), Cause::NoServer);
    let secure = Dial { security: Security::Certificates(Utf8Path::new("/none")), ..dial(1) };
    assert_eq!(world.cause(&secure.status(Rows::Active, SECOND)), Cause::Certificates);
    let mut single = World::of(4, StartMode::StartSingleReplica, Knobs::default());
    assert_eq!(single.cause(&dial(1).decommission(4, SECOND)), Cause::SingleReplica);
    let old = Knobs { enterprise_only: true, ..Knobs::default() };
    let mut old = World::of(4, StartMode::Start, old);
    assert_eq!(old.cause(&dial(1).decommission(4, SECOND)), Cause::License);
    let unknown = Knobs { health_null: true, ..Knobs::default() };
    let mut unknown = World::of(4, StartMode::Start, unknown);
    assert_eq!(unknown.asked(&[Statement::Health]).ranges_unavailable, None);
    let garbage = Knobs { status_garbage: true, ..Knobs::default() };
    let mut garbage = World::of(4, StartMode::Start, garbage);
    let (out, _, _) = garbage.run(&dial(1).status(Rows::Active, SECOND));
    assert!(status::parse_status(&out).is_err(), "{}", String::from_utf8_lossy(&out));
}
