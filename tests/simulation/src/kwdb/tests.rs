#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use camino::Utf8Path;
use tokio::sync::mpsc;

use super::{
    super::{
        listed::Model as _,
        listed_kwdb::Kwdb,
        process::{Birth, Kind},
        site,
        tools::{Call, Ending, Tools as _},
        world::World,
    },
    Model, installed,
};

/// The hosts of the list, with what runs on them.
struct Site {
    model: Model,
    world: Arc<World>,
}

impl Site {
    async fn kwbase(&self, host: &str, words: &str) -> Ending {
        let machine = self.world.machine(host).unwrap();
        let security =
            if self.model.secure { "--certs-dir=/etc/kaiwudb/certs" } else { "--insecure" };
        let words = words.split(' ').chain([security, "--format=csv"]);
        let call = Call {
            program: installed::PROGRAM.into(),
            arguments: words.map(str::to_owned).collect(),
            stdin: Vec::new(),
            environment: BTreeMap::new(),
            user: installed::USER.to_owned(),
            process: machine.spawn(Kind::Tool, Birth::default()),
            machine,
        };
        self.model.run(call).await
    }

    /// Address and whether it lives, by what a member says of them.
    async fn members(&self, at: &str) -> Vec<(String, bool)> {
        let host = format!("--host=10.0.0.{}:26257", at.trim_start_matches('h'));
        let said = self.kwbase("h3", &format!("node status {host}")).await;
        assert_eq!(said.status, 0, "{}", String::from_utf8_lossy(&said.stderr));
        let text = String::from_utf8(said.stdout).unwrap();
        let rows = text.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
        rows.map(|row| (row.get(1).unwrap().to_string(), row.ends_with(&["true", "true"])))
            .collect()
    }
}

async fn seconds(number: u64) {
    tokio::time::sleep(Duration::from_secs(number)).await;
}

fn with<F: Future<Output = ()>>(secure: bool, test: impl FnOnce(Site) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let model = Model::new(secure);
        let (send, _orders) = mpsc::unbounded_channel();
        let world = Arc::new(World::new(Arc::new(model.clone()), 1, send, None));
        let _fleet = site::build(&world, &Kwdb { secure });
        seconds(10).await;
        test(Site { model, world }).await;
    });
}

fn all(live: [bool; 3]) -> Vec<(String, bool)> {
    let of = |(at, live)| (format!("10.0.0.{}:26257", at + 1), live);
    live.into_iter().enumerate().map(of).collect()
}

#[test]
fn the_installed_cluster_runs() {
    for secure in [false, true] {
        with(secure, |site| async move {
            for host in ["h1", "h2", "h3"] {
                assert_eq!(site.members(host).await, all([true; 3]));
            }
            let said = site.kwbase("h1", "node status --host=10.0.0.4:26257").await;
            let text = String::from_utf8(said.stderr).unwrap();
            assert!(said.status == 1 && text.contains("cannot dial server"), "{text}");
        });
    }
}

#[test]
fn what_lost_power_or_its_way_comes_back_with_its_rows() {
    with(false, |site| async move {
        assert_eq!(site.model.insert(), Some(1));
        let before = site.model.describe();
        site.world.machine("h2").unwrap().power_cut();
        seconds(15).await;
        assert_eq!(site.members("h1").await, all([true, false, true]));
        seconds(30).await;
        assert_eq!(site.members("h1").await, all([true; 3]));
        site.world.cut(0, 60);
        for row in 2..5 {
            assert_eq!(site.model.insert(), Some(row));
            seconds(5).await;
        }
        assert_eq!(site.members("h2").await, all([false, true, true]));
        seconds(60).await;
        assert!(site.model.missing().is_empty(), "{:?}", site.model.missing());
        assert_eq!(site.model.describe(), before);
        assert!(site.model.violations().is_empty());
    });
}

#[test]
fn a_store_that_is_removed_too_early_is_a_wrong() {
    with(false, |site| async move {
        site.model.insert().unwrap();
        // Its range has three replicas from then on.
        seconds(20).await;
        for (host, gone) in [("h1", false), ("h2", true)] {
            let machine = site.world.machine(host).unwrap();
            machine.disk(|disk| disk.remove(Utf8Path::new("/var/lib/kaiwudb")));
            seconds(1).await;
            assert_eq!(site.model.missing().is_empty(), !gone);
        }
        let wrong = site.model.violations();
        assert!(wrong.iter().any(|text| text.contains("had a replica there")), "{wrong:?}");
    });
}

#[test]
fn a_node_joins_leaves_and_is_flagged_again_by_somebody_who_waits() {
    with(false, |site| async move {
        let machine = site.world.machine("h4").unwrap();
        let words = "start --insecure --store=/var/lib/kaiwudb/m/k4 --listen-addr=10.0.0.4:26257 \
                     --http-addr=10.0.0.4:8080 --brpc-addr=10.0.0.4:27257 --join=10.0.0.2:26257";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        super::super::programs::launch(Call {
            program: installed::PROGRAM.into(),
            arguments: words,
            stdin: Vec::new(),
            environment: BTreeMap::new(),
            user: installed::USER.to_owned(),
            process: machine.spawn(Kind::Service, Birth::default()),
            machine,
        });
        seconds(60).await;
        assert_eq!(site.members("h1").await.len(), 4);
        let flagged = || {
            let told = site.model.describe();
            told.get("member 10.0.0.4:26257").is_some_and(|member| member.contains("to leave"))
        };
        site.model.fail_over();
        let host = "--host=10.0.0.1:26257";
        site.kwbase("h1", &format!("node decommission 4 --wait=none {host}")).await;
        site.kwbase("h1", &format!("node recommission 4 {host}")).await;
        assert!(!flagged());
        seconds(6).await;
        assert!(flagged(), "who waits flags it again");
        seconds(60).await;
        site.kwbase("h1", &format!("node recommission 4 {host}")).await;
        seconds(20).await;
        assert!(!flagged());
        site.kwbase("h1", &format!("node decommission 4 --wait=all {host}")).await;
        let replicas = site.model.state().cluster.replicas(4);
        assert_eq!(replicas, 0);
        assert!(site.model.violations().is_empty(), "{:?}", site.model.violations());
        site.kwbase("h1", &format!("node decommission 3 --wait=none {host}")).await;
        seconds(1).await;
        site.kwbase("h1", &format!("node decommission 2 --wait=none {host}")).await;
        let wrong = site.model.violations();
        assert!(wrong.iter().any(|text| text.contains("were flagged")), "{wrong:?}");
    });
}
