//! `postgres` and `repmgrd`: the programs that stay.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::tools::Call,
    Model, conninfo, data, option, setting,
    state::{Place, Server, State, Upstream, hba_members},
};

/// Until a server accepts connections.
const START: Duration = Duration::from_millis(700);
/// Until repmgrd has looked at its node.
const REPMGRD_START: Duration = Duration::from_millis(150);

/// Settings that are always the same.
const FIXED: &[(&str, &str)] = &[
    ("data_checksums", "on"),
    ("hot_standby", "on"),
    ("max_locks_per_transaction", "64"),
    ("max_prepared_transactions", "0"),
    ("max_slot_wal_keep_size", "-1"),
    ("max_worker_processes", "8"),
    ("password_encryption", "scram-sha-256"),
    ("server_encoding", "UTF8"),
    ("shared_buffers", "16384"),
    ("shared_preload_libraries", "repmgr"),
    ("synchronous_commit", "on"),
    ("synchronous_standby_names", ""),
    ("wal_level", "replica"),
    ("wal_log_hints", "on"),
];

fn text(call: &Call, path: &Utf8Path) -> Option<String> {
    let bytes = call.machine.disk(|disk| disk.bytes(path).map(<[u8]>::to_vec))?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a standby's data directory says of its upstream.
fn upstream(call: &Call, data: &Utf8Path) -> Option<Upstream> {
    text(call, &data.join("standby.signal"))?;
    let auto = text(call, &data.join("postgresql.auto.conf"))?;
    let connection = setting_whole(&auto, "primary_conninfo")?;
    Some(Upstream {
        address: conninfo(&connection, "host")?.parse().ok()?,
        port: conninfo(&connection, "port")?.parse().ok()?,
        slot: setting_whole(&auto, "primary_slot_name")?,
        name: conninfo(&connection, "application_name").unwrap_or_default(),
    })
}

/// As [`setting`], for values with `=` in them.
fn setting_whole(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
    Some(line.trim_matches('\'').to_owned())
}

/// What repmgr writes when a running standby gets another upstream.
pub(super) fn write_upstream(call: &Call, state: &State, place: &Place) {
    let Some(upstream) = state.instances.get(place).and_then(|i| i.upstream.as_ref()) else {
        return;
    };
    let text = format!(
        "primary_conninfo = 'host={} port={} user=repmgr application_name={}'\n\
         primary_slot_name = '{}'\n",
        upstream.address, upstream.port, upstream.name, upstream.slot
    );
    data::put(call, &place.1.join("postgresql.auto.conf"), text.as_bytes());
}

impl Model {
    /// Runs until it is ended; a server that cannot start ends at once.
    pub(super) async fn postgres(&self, call: &Call) {
        if self.start(call).is_none() {
            return;
        }
        call.machine.sleep(START).await;
        self.accept(call);
        std::future::pending().await
    }

    fn start(&self, call: &Call) -> Option<()> {
        let dir = call.arguments.iter().skip_while(|word| *word != "-D").nth(1)?;
        let dir = Utf8PathBuf::from(dir);
        let config = Utf8PathBuf::from(option(call, "--config-file")?);
        let conf = text(call, &config)?;
        let address: Ipv4Addr = setting(&conf, "listen_addresses")?.parse().ok()?;
        let port: u16 = setting(&conf, "port")?.parse().ok()?;
        let mut settings: BTreeMap<&'static str, String> =
            FIXED.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        for name in ["max_connections", "max_wal_senders", "max_replication_slots"] {
            settings.insert(name, setting(&conf, name)?);
        }
        let upstream = upstream(call, &dir);
        let slot = upstream.as_ref().map_or(String::new(), |upstream| upstream.slot.clone());
        settings.insert("primary_slot_name", slot);
        let mut state = self.state();
        state.look_at_disks();
        if state.listening(&call.machine.name).contains(&(address, port)) {
            return None;
        }
        let place = (call.machine.name.clone(), dir.clone());
        let instance = state.instances.get_mut(&place).filter(|instance| instance.whole)?;
        // One that another took over from may come back, but not to take writes.
        if instance.running().is_some() || (instance.retired && upstream.is_none()) {
            return None;
        }
        instance.retired = false;
        instance.upstream = upstream;
        instance.server = Some(Server {
            process: call.process.clone(),
            address,
            port,
            ready: false,
            members: hba_members(&call.machine, &config),
            loaded_at_ms: call.machine.world().now_ms() + 1,
            settings,
            config,
        });
        let pid = format!("{}\n", call.process.id.pid);
        data::put(call, &dir.join("postmaster.pid"), pid.as_bytes());
        data::put(call, &dir.join("postmaster.opts"), b"postgres\n");
        Some(())
    }

    fn accept(&self, call: &Call) {
        let mut state = self.state();
        for instance in state.instances.values_mut() {
            let standby = instance.upstream.is_some();
            if let Some(server) = &mut instance.server
                && server.process.id == call.process.id
                && server.process.host == call.machine.name
            {
                server.ready = true;
                instance.control = if standby { "in archive recovery" } else { "in production" };
            }
        }
        state.replicate();
    }

    /// Ends at once if its node is not registered or cannot be asked.
    pub(super) async fn repmgrd(&self, call: &Call) {
        let Some(config) = option(call, "--config-file").map(str::to_owned) else { return };
        let Some(conf) = text(call, Utf8Path::new(&config)) else { return };
        let place = (call.machine.name.clone(), config);
        call.machine.sleep(REPMGRD_START).await;
        {
            let mut state = self.state();
            state.replicate();
            let node_id: Option<u32> = setting(&conf, "node_id").and_then(|id| id.parse().ok());
            let dir = setting(&conf, "data_directory").map(Utf8PathBuf::from).unwrap_or_default();
            let known = state.instances.get(&(call.machine.name.clone(), dir)).is_some_and(|i| {
                i.ready().is_some() && node_id.is_some_and(|id| i.content.nodes.contains_key(&id))
            });
            if !known {
                return;
            }
            state.repmgrds.insert(place, call.process.clone());
        }
        std::future::pending().await
    }
}
