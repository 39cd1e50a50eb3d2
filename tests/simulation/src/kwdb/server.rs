//! `kwbase start`: listens, joins, and stays.

use std::time::Duration;

use bellows_doubles::kwdb::{StartArgs, Store};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::tools::Call,
    Model, certificates, installed,
    state::{self, Home, Server, State, endpoint},
};

/// Until it listens.
const START: Duration = Duration::from_millis(400);
/// Until it has asked those that it is to join, and between two tries.
const JOIN: Duration = Duration::from_millis(900);

impl Model {
    /// Returns when it cannot go on.
    pub(super) async fn start(&self, call: &Call) {
        let args = {
            let state = self.state();
            StartArgs::parse(&call.arguments, &call.environment, &state.cluster.knobs)
        };
        let args = match args {
            Ok(args) => args,
            Err(failure) => {
                return call.machine.world().tell(|| format!("kwbase: {}", failure.message));
            }
        };
        call.machine.sleep(START).await;
        if let Err(text) = self.listen(call, &args) {
            return call.machine.world().tell(|| format!("kwbase: {text}"));
        }
        loop {
            call.machine.sleep(JOIN).await;
            match self.join(call, &args) {
                Ok(true) => return std::future::pending().await,
                Ok(false) => {}
                Err(text) => {
                    call.machine.world().tell(|| format!("kwbase: {text}"));
                    let now = call.machine.world().now_ms();
                    return self.state().ended(&call.machine.name, call.process.id, now);
                }
            }
        }
    }

    /// From here on it has its ports and its store.
    fn listen(&self, call: &Call, args: &StartArgs) -> Result<(), String> {
        let path = Utf8PathBuf::from(&args.store);
        let mut state = self.state();
        if state.cluster.secure == args.insecure {
            return Err("it is started with another security than the cluster".to_owned());
        }
        if !args.insecure {
            certificates::fit(&call.machine, &args.certs_dir)?;
        }
        let server = Server {
            process: call.process.clone(),
            machine: call.machine.clone(),
            args: args.clone(),
            node: None,
        };
        let here = |other: &&Server| other.machine.name == call.machine.name;
        for other in state.servers.iter().filter(here) {
            if other.store() == path {
                return Err("the store is locked".to_owned());
            }
            let taken = other.listens().any(|(_, port)| server.listens().any(|own| own.1 == port));
            if taken {
                return Err("address already in use".to_owned());
            }
        }
        let fresh = call.machine.disk(|disk| disk.list(&path).is_empty());
        if fresh {
            match installed::store(&call.machine, &args.store).filter(|_| !state.was_begun(call)) {
                Some(store) => drop(state::remember(&call.machine, &path, &store)),
                None => state::begin(&call.machine, &path),
            }
        }
        state::remembered(&call.machine, &path).allows(args.mode)?;
        state.servers.push(server);
        Ok(())
    }

    /// `true`: it is in.
    fn join(&self, call: &Call, args: &StartArgs) -> Result<bool, String> {
        let now = call.machine.world().now_ms();
        let path = Utf8PathBuf::from(&args.store);
        let mut state = self.state();
        state.go_on(now);
        let mut store = state::remembered(&call.machine, &path);
        // One that was in knows the others by itself.
        if call.machine.world().is_cut(&call.machine.name)
            || store.node.is_none() && !state.is_seen(call, args)
        {
            return Ok(false);
        }
        let joined = match state.cluster.join(&mut store, args, now) {
            Ok(joined) => joined.node,
            Err(None) => return Ok(false),
            Err(Some(text)) => return Err(text),
        };
        keep(&mut state, call, &store, &path, joined);
        Ok(true)
    }
}

fn keep(state: &mut State, call: &Call, store: &Store, path: &Utf8Path, node: u32) {
    let mark = state::remember(&call.machine, path, store);
    let home = Home { machine: call.machine.clone(), mark, gone: false };
    state.homes.insert(node, home);
    for server in &mut state.servers {
        if server.process.id == call.process.id && server.machine.name == call.machine.name {
            server.node = Some(node);
        }
    }
}

impl State {
    /// What the installer left on this host was begun with once: what is empty now was emptied.
    fn was_begun(&self, call: &Call) -> bool {
        self.homes.values().any(|home| home.machine.name == call.machine.name)
    }

    /// One of those that it is to join is in, and can be reached.
    fn is_seen(&self, call: &Call, args: &StartArgs) -> bool {
        let reached = |to: &(std::net::Ipv4Addr, u16)| {
            !self.is_unreachable(&call.machine, to.0)
                && self.dialled(&call.machine, *to).is_some_and(|server| server.node.is_some())
        };
        args.join.iter().filter_map(|text| endpoint(text)).any(|to| reached(&to))
    }
}
