//! `bookkeeper bookie`: looks at cookies, registers, and stays.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::tools::Call,
    Model,
    cluster::{SESSION_MS, Server},
    conf::Conf,
    cookies::{self, Start},
    installed::{JAVA, MAIN, METADATA, PROGRAM, put},
    ledger::Store,
    state::{Home, Running},
};

/// Until Java has begun.
const START: Duration = Duration::from_millis(1_500);
/// Between two looks at what it waits for.
const AGAIN: Duration = Duration::from_millis(500);
/// From its registration until it listens for HTTP, milliseconds.
const READY_MS: i64 = 400;

/// The configuration of the bookie that this command starts; `None`: it starts none.
pub(super) fn conf_file(call: &Call) -> Option<Utf8PathBuf> {
    let first = call.arguments.first().map(String::as_str);
    if call.program == PROGRAM && first == Some("bookie") {
        let named = call.environment.get("BOOKIE_CONF").map(Utf8PathBuf::from);
        return Some(named.unwrap_or_else(|| "/opt/bookkeeper/conf/bk_server.conf".into()));
    }
    let mut words = call.arguments.iter().skip_while(|word| *word != MAIN);
    (call.program == JAVA && words.next().is_some())
        .then(|| words.skip_while(|word| *word != "--conf").nth(1).map(Utf8PathBuf::from))
        .flatten()
}

impl Model {
    /// Returns when it cannot go on.
    pub(super) async fn start(&self, call: &Call, path: &Utf8Path) {
        let world = call.machine.world();
        call.machine.sleep(START).await;
        let begun = match Conf::read(&call.machine, path) {
            Some(conf) => self.bind(call, conf),
            None => Err(format!("{path}: no such file")),
        };
        let registered = match begun {
            Ok(server) => self.register(call, server).await,
            Err(text) => Err(text),
        };
        match registered {
            Ok(()) => std::future::pending().await,
            Err(text) => {
                world.tell(|| format!("{}: bookie: {text}", call.machine.name));
                let now = world.now_ms();
                self.state().ended(&call.machine.name, call.process.id, true, now);
            }
        }
    }

    /// From here on it has its ports.
    fn bind(&self, call: &Call, conf: Conf) -> Result<Running, String> {
        if conf.metadata() != METADATA {
            return Err(format!("no metadata service at {:?}", conf.metadata()));
        }
        let bookie = conf.id(&call.machine);
        if bookie != format!("{}:{}", call.machine.address, conf.port()) {
            return Err(format!("{bookie} is no address of this host"));
        }
        let mut state = self.state();
        let here = |other: &&Running| other.machine.name == call.machine.name;
        let taken = |other: &Running| {
            other.conf.port() == conf.port()
                || other.conf.http().map(|own| own.1) == conf.http().map(|own| own.1)
        };
        if state.running.iter().filter(here).any(taken) {
            return Err("address already in use".to_owned());
        }
        let server = Running {
            process: call.process.clone(),
            machine: call.machine.clone(),
            conf,
            bookie,
            registered: false,
        };
        state.running.push(server.clone());
        Ok(server)
    }

    async fn register(&self, call: &Call, server: Running) -> Result<(), String> {
        let world = call.machine.world();
        let patience = world.now_ms() + SESSION_MS + 2_000;
        // Its own registration of before goes first, and the metadata service must answer.
        loop {
            let now = world.now_ms();
            {
                let mut state = self.state();
                state.go_on(now);
                let there = state.cluster.registered.contains_key(&server.bookie);
                if !there && !world.is_cut(&call.machine.name) {
                    break;
                }
            }
            if now > patience {
                return Err("the metadata service cannot be reached, or has it already".to_owned());
            }
            call.machine.sleep(AGAIN).await;
        }
        self.enter(call, &server)
    }

    fn enter(&self, call: &Call, server: &Running) -> Result<(), String> {
        let (machine, now) = (&call.machine, call.machine.world().now_ms());
        let (conf, bookie) = (&server.conf, &server.bookie);
        let mut state = self.state();
        let own = cookies::text(bookie, conf, &state.cluster.instance);
        let stored = state.cluster.cookies.get(bookie).cloned();
        if cookies::judge(machine, conf, stored.as_deref(), &own)? == Start::New {
            if machine.world().is_full(&machine.name) {
                return Err("No space left on device".to_owned());
            }
            for (path, bytes) in cookies::files(conf, &own, &format!("born at {now}")) {
                put(machine, &path, bytes.as_bytes());
            }
            state.cluster.cookies.insert(bookie.clone(), own);
            state.cluster.stores.insert(bookie.clone(), Store::default());
        }
        let path = cookies::mark(conf);
        let Some(born) = machine.disk(|disk| disk.bytes(&path).map(<[u8]>::to_vec)) else {
            return Err("its entries are gone".to_owned());
        };
        let home = Home { machine: machine.clone(), mark: (path, born) };
        state.homes.insert(bookie.clone(), home);
        let up = Server {
            read_only: cookies::was_read_only(machine, conf),
            connected: true,
            recovers: conf.recovers(),
            ready_ms: now + READY_MS,
        };
        state.cluster.comes_up(bookie, up);
        for running in &mut state.running {
            if running.process.id == call.process.id && running.machine.name == machine.name {
                running.registered = true;
            }
        }
        Ok(())
    }
}
