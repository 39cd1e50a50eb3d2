#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use bellows_agent::host::{
    Host as _, HttpReply,
    http::{HttpRequest, Target},
};
use camino::Utf8Path;
use tokio::sync::mpsc;

use super::{
    super::{
        host::SimHost,
        listed::Model as _,
        listed_bookkeeper::Bookkeeper,
        process::{Birth, Kind, Process},
        programs, site,
        tools::{Call, Ending, HttpCall, Tools as _},
        world::World,
    },
    EXPIRES, Model, SOLE, installed,
};

const LOG: &str = "/var/tmp/log4j2.xml";
const ALL: [&str; 3] = ["10.0.0.1:3181", "10.0.0.2:3181", "10.0.0.3:3181"];
const FOURTH: &str = "10.0.0.4:3181";

/// The hosts of the list, with what runs on them.
struct Site {
    model: Model,
    world: Arc<World>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

impl Site {
    fn call(&self, host: &str, kind: Kind, words: &[&str], conf: &str) -> Call {
        let machine = self.world.machine(host).unwrap();
        installed::put(&machine, Utf8Path::new(LOG), b"%p|%c{1}|%m %X%n ClientCnxn");
        let environment = BTreeMap::from([
            ("BOOKIE_CONF".to_owned(), conf.to_owned()),
            ("BOOKIE_LOG_CONF".to_owned(), LOG.to_owned()),
        ]);
        let command = [installed::PROGRAM].iter().chain(words).map(ToString::to_string).collect();
        let birth = Birth { environment: environment.clone(), command, ..Birth::default() };
        Call {
            program: installed::PROGRAM.into(),
            arguments: words.iter().map(ToString::to_string).collect(),
            stdin: Vec::new(),
            environment,
            user: installed::USER.to_owned(),
            process: machine.spawn(kind, birth),
            machine,
        }
    }

    async fn shell(&self, words: &str) -> Ending {
        let words: Vec<&str> = ["shell"].into_iter().chain(words.split(' ')).collect();
        self.model.run(self.call("h1", Kind::Tool, &words, super::CONF)).await
    }

    /// Exit status 0, and what was printed.
    async fn said(&self, words: &str) -> String {
        let ended = self.shell(words).await;
        assert_eq!(ended.status, 0, "{}", text(&ended.stdout));
        text(&ended.stdout)
    }

    async fn http(&self, host: &str, request: HttpRequest) -> HttpReply {
        let machine = self.world.machine(host).unwrap();
        self.model.http(HttpCall { request, machine }).await.unwrap()
    }

    async fn get(&self, host: &str, target: Target) -> (u16, String) {
        let at = "127.0.0.1:8080".parse().unwrap();
        let reply = self.http(host, HttpRequest::get(at, target, Duration::from_secs(5))).await;
        (reply.status, text(&reply.body))
    }

    async fn put(&self, host: &str, target: Target, body: &str) -> (u16, String) {
        let at = "127.0.0.1:8080".parse().unwrap();
        let body = body.as_bytes().to_vec();
        let reply =
            self.http(host, HttpRequest::put(at, target, body, Duration::from_secs(5))).await;
        (reply.status, text(&reply.body))
    }

    async fn read_only(&self, host: &str, on: bool) {
        let target = Target::new("/api/v1/bookie/state/readonly");
        assert_eq!(self.put(host, target, &format!("{{\"readOnly\":{on}}}")).await.0, 200);
    }

    async fn autorecovery(&self, on: &str) {
        let target = Target::new("/api/v1/autorecovery/status").query("enabled", on);
        assert_eq!(self.put("h1", target, "").await.0, 200);
    }

    /// The process of a host's bookie.
    fn bookie(&self, host: &str) -> Option<Arc<Process>> {
        let machine = self.world.machine(host).unwrap();
        machine.processes().into_iter().find(|process| process.kind == Kind::Service)
    }

    fn stop(&self, host: &str) {
        let machine = self.world.machine(host).unwrap();
        let process = self.bookie(host).unwrap();
        machine.signal(process.id, bellows_agent::host::Signal::Term);
    }

    /// A fourth bookie, configured as the others.
    async fn fourth(&self) {
        let machine = self.world.machine("h4").unwrap();
        let conf = text(
            &self
                .world
                .machine("h1")
                .unwrap()
                .disk(|disk| disk.bytes(Utf8Path::new(super::CONF)).unwrap().to_vec()),
        );
        let conf = conf.replace("10.0.0.1:", "10.0.0.4:").replace("=10.0.0.1\n", "=10.0.0.4\n");
        installed::put(&machine, Utf8Path::new("/etc/b4.conf"), conf.as_bytes());
        programs::launch(self.call("h4", Kind::Service, &["bookie"], "/etc/b4.conf"));
        seconds(5).await;
    }

    fn registered(&self) -> Vec<(String, bool)> {
        let mut state = self.model.state();
        state.go_on(self.world.now_ms());
        let all = state.cluster.registered.iter();
        all.map(|(bookie, found)| (bookie.clone(), found.read_only)).collect()
    }

    fn ledgers_of(&self, bookie: &str) -> Vec<u64> {
        let mut state = self.model.state();
        state.go_on(self.world.now_ms());
        state.cluster.ledgers_of(bookie)
    }

    /// Nothing was lost and nothing is wrong.
    fn is_well(&self) {
        let (missing, wrong) = (self.model.missing(), self.model.violations());
        assert!(missing.is_empty() && wrong.is_empty(), "{missing:?} {wrong:?}");
    }
}

async fn seconds(number: u64) {
    tokio::time::sleep(Duration::from_secs(number)).await;
}

fn with<F: Future<Output = ()>>(test: impl FnOnce(Site) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let model = Model::default();
        let (send, _orders) = mpsc::unbounded_channel();
        let world = Arc::new(World::new(Arc::new(model.clone()), 1, send, None));
        let _fleet = site::build(&world, &Bookkeeper);
        seconds(10).await;
        test(Site { model, world }).await;
    });
}

fn writable(ids: &[&str]) -> Vec<(String, bool)> {
    ids.iter().map(|id| ((*id).to_owned(), false)).collect()
}

#[test]
fn the_installed_cluster_runs_and_is_written_to() {
    with(|site| async move {
        assert_eq!(site.registered(), writable(&ALL));
        for _ in 0..10 {
            assert!(site.model.insert().is_some());
            seconds(5).await;
        }
        site.is_well();
        let info = site.get("h2", Target::new("/api/v1/bookie/cluster_info")).await;
        let expected = "{\n  \"auditorElected\" : true,\n  \"auditorId\" : \"10.0.0.1:3181\",\n  \
                        \"clusterUnderReplicated\" : false,\n  \"ledgerReplicationEnabled\" : true,\n  \
                        \"totalBookiesCount\" : 3,\n  \"writableBookiesCount\" : 3,\n  \
                        \"readonlyBookiesCount\" : 0,\n  \"unavailableBookiesCount\" : 0\n}";
        assert_eq!(info, (200, expected.to_owned()));
        let ro = Target::new("/api/v1/bookie/list_bookies").query("type", "ro");
        assert_eq!(site.get("h1", ro).await, (200, "{ }".to_owned()));
        let lacking = Target::new("/api/v1/autorecovery/list_under_replicated_ledger");
        assert_eq!(
            site.get("h1", lacking).await,
            (404, "No under replicated ledgers found".to_owned())
        );
        let wrong =
            site.put("h1", Target::new("/api/v1/bookie/state/readonly"), "{\"readonly\":true}");
        assert_eq!(wrong.await.0, 500);
        let page = |page: &str| {
            Target::new("/api/v1/ledger/list")
                .query("print_metadata", "true")
                .query("decode_meta", "true")
                .query("page", page)
        };
        let (_, first) = site.get("h1", page("1")).await;
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        assert_eq!(first["1"]["allEnsembles"]["0"][0]["id"], "10.0.0.1:3181");
        assert_eq!(site.get("h1", page("2")).await.1, "{ }");
    });
}

#[test]
fn a_killed_bookie_is_registered_until_its_session_ends_and_what_it_had_is_copied() {
    with(|site| async move {
        site.fourth().await;
        let machine = site.world.machine("h2").unwrap();
        machine.darken(true);
        machine.power_cut();
        seconds(5).await;
        assert_eq!(site.registered().len(), 4);
        seconds(60).await;
        assert_eq!(site.registered(), writable(&[ALL[0], ALL[2], FOURTH]));
        assert!(site.ledgers_of(ALL[1]).is_empty());
        assert_eq!(site.model.describe().get("ledgers that lack copies").unwrap(), "{}");
        site.is_well();
    });
}

#[test]
fn nothing_is_listed_as_lacking_while_autorecovery_is_off() {
    with(|site| async move {
        site.fourth().await;
        site.autorecovery("false").await;
        site.stop("h2");
        seconds(60).await;
        let lacking = || Target::new("/api/v1/autorecovery/list_under_replicated_ledger");
        assert_eq!(site.get("h1", lacking()).await.0, 404);
        let audit = site.put("h1", Target::new("/api/v1/autorecovery/trigger_audit"), "").await;
        let refused = "Exception when do operation.Autorecovery is disabled. So giving up!";
        assert_eq!(audit, (404, refused.to_owned()));
        assert!(!site.ledgers_of(ALL[1]).is_empty());
        site.autorecovery("true").await;
        assert_eq!(site.get("h1", lacking()).await.0, 404);
        seconds(2).await;
        assert_eq!(site.get("h1", lacking()).await.0, 200);
        seconds(60).await;
        assert!(site.ledgers_of(ALL[1]).is_empty());
    });
}

#[test]
fn recover_empties_a_bookie_that_lives_and_its_cookie_tells_who_may_start() {
    with(|site| async move {
        site.fourth().await;
        site.read_only("h3", true).await;
        let open = site.said(&format!("recover -f -sk {}", ALL[2])).await;
        assert!(open.contains("INFO|BookKeeperAdmin|Skip recovering open ledger 4. {}"), "{open}");
        assert_eq!(site.ledgers_of(ALL[2]), [4]);
        let all = site.said(&format!("recover -f {}", ALL[2])).await;
        assert!(all.contains("Recovered ledger 4.") && all.contains("rc: OK: No problem"), "{all}");
        assert!(site.ledgers_of(ALL[2]).is_empty());
        let none = site.shell(&format!("listledgers -bookieid {}", ALL[2])).await;
        assert!(none.stdout.is_empty() && text(&none.stderr).contains("INFO|ClientCnxn|"));
        // Nothing of this is progress.
        assert!(
            site.said(&format!("recover -f -l 1 {}", ALL[2])).await.contains("Recovered ledger 1.")
        );

        site.stop("h3");
        seconds(1).await;
        assert_eq!(site.registered().len(), 3);
        let saved = site.said(&format!("cookie_get {}", ALL[2])).await;
        assert!(site.said(&format!("cookie_delete {}", ALL[2])).await.is_empty());
        assert_eq!(site.shell(&format!("cookie_delete {}", ALL[2])).await.status, 255);
        assert_eq!(site.shell(&format!("cookie_get {}", ALL[2])).await.status, 255);
        let machine = site.world.machine("h3").unwrap();
        programs::start_standing(&machine);
        seconds(10).await;
        assert!(site.bookie("h3").is_none(), "it is refused without its cookie");
        let cookie = saved.split("---\n").nth(1).unwrap().trim_end_matches('\n');
        let h1 = site.world.machine("h1").unwrap();
        installed::put(&h1, Utf8Path::new("/tmp/cookie"), format!("{cookie}\n").as_bytes());
        site.said(&format!("cookie_create -cf /tmp/cookie {}", ALL[2])).await;
        programs::start_standing(&machine);
        seconds(10).await;
        // With the state that it had.
        assert_eq!(site.registered().iter().filter(|(_, read_only)| *read_only).count(), 1);
        site.is_well();
    });
}

#[test]
fn a_rate_is_obeyed_and_what_cannot_move_fails() {
    with(|site| async move {
        // Three bookies, and every ledger has two of them: there is one left, but not with another read-only.
        site.read_only("h3", true).await;
        site.read_only("h1", true).await;
        let failed = site.shell(&format!("recover -f -l 2 {}", ALL[2])).await;
        assert_eq!(failed.status, 255);
        let dry = site.said(&format!("recover -f -dr {}", ALL[2])).await;
        assert!(dry.contains("Not enough non-faulty bookies available"), "{dry}");
        site.read_only("h1", false).await;
        let began = site.world.now_ms();
        site.said(&format!("recover -f -l 2 -rate 3000 {}", ALL[2])).await;
        assert!(site.world.now_ms() - began >= 10_000);
        // An idle writer is fenced even where nothing can be moved.
        site.read_only("h1", true).await;
        let words = format!("recover -f -sk -l 4 {}", ALL[2]);
        assert!(site.said(&words).await.contains("Skip recovering open ledger 4."));
        assert_eq!(site.shell(&format!("recover -f -l 4 {}", ALL[2])).await.status, 255);
        let closed = site.shell(&words).await;
        assert!(closed.status == 255 && !text(&closed.stdout).contains("Skip"));
        site.is_well();
    });
}

#[test]
fn decommissionbookie_wants_it_stopped_and_deletes_the_cookie() {
    with(|site| async move {
        site.fourth().await;
        let words = format!("decommissionbookie -bookieid {}", ALL[2]);
        let runs = site.shell(&words).await;
        assert!(runs.status == 255 && text(&runs.stdout).contains("is not shutdown yet"));
        site.stop("h3");
        let began = site.world.now_ms();
        let done = site.said(&words).await;
        assert!(done.contains("is deleted successfully") && site.world.now_ms() - began >= 30_000);
        assert_eq!(site.shell(&format!("cookie_get {}", ALL[2])).await.status, 255);
        assert!(site.said(&words).await.contains("No cookie to remove"));
        site.is_well();
    });
}

#[test]
fn decommissionbookie_does_not_end_for_an_only_copy() {
    with(|site| async move {
        site.fourth().await;
        assert!(site.model.meddle(&format!("{SOLE} {}", ALL[2])));
        site.stop("h3");
        let words = format!("decommissionbookie -bookieid {}", ALL[2]);
        let hangs = tokio::time::timeout(Duration::from_secs(3_600), site.shell(&words)).await;
        assert!(hangs.is_err() && site.ledgers_of(ALL[2]).len() == 1);
        site.is_well();
    });
}

#[test]
fn ledgers_age_out_of_a_bookie_that_takes_no_more() {
    with(|site| async move {
        site.fourth().await;
        site.read_only("h3", true).await;
        assert!(site.model.meddle(&format!("{EXPIRES} 120")));
        for _ in 0..30 {
            site.model.insert();
            seconds(5).await;
        }
        assert!(site.ledgers_of(ALL[2]).is_empty());
        assert!(site.model.fail_over());
        assert_eq!(site.registered(), writable(&[ALL[0], ALL[1], ALL[2], FOURTH]));
        site.is_well();
    });
}

#[test]
fn what_is_removed_too_early_is_a_wrong() {
    with(|site| async move {
        site.fourth().await;
        site.said(&format!("cookie_delete {FOURTH}")).await;
        let machine = site.world.machine("h1").unwrap();
        machine.disk(|disk| disk.remove(Utf8Path::new("/data/bookkeeper")));
        site.model.missing();
        let wrong = site.model.violations().join("\n");
        for text in ["while it was registered", "while it ran", "not Bellows' own", "named it"] {
            assert!(wrong.contains(text), "{text}: {wrong}");
        }
    });
}

#[test]
fn the_script_becomes_java() {
    with(|site| async move {
        site.fourth().await;
        let (machine, bookie) = (site.world.machine("h4").unwrap(), site.bookie("h4").unwrap());
        let me = machine.spawn(Kind::Agent, Birth::default());
        let path = format!("/proc/{}/cmdline", bookie.id.pid);
        let host = SimHost { machine, me };
        let words = text(&host.read(Utf8Path::new(&path), 4096).unwrap().unwrap());
        assert!(
            words.contains("org.apache.bookkeeper.server.Main\0--conf\0/etc/b4.conf\0"),
            "{words}"
        );
    });
}
