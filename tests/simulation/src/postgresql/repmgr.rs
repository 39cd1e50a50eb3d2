//! `repmgr`: clone, register, unregister.

use std::{net::Ipv4Addr, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::tools::{Call, Ending},
    Model, conninfo, data, option, setting,
    state::{NodeRow, Place, Upstream},
};

/// A few statements.
const TIME: Duration = Duration::from_millis(150);
/// Between two pieces of a base backup.
const PIECE: Duration = Duration::from_millis(400);
const PIECES: u64 = 5;
const TOTAL: u64 = 30_000_000;

/// What `repmgr.conf` says.
pub(super) struct Conf {
    pub(super) node_id: u32,
    pub(super) node_name: String,
    pub(super) data: Utf8PathBuf,
    pub(super) own: (Ipv4Addr, u16),
}

fn endpoint(connection: &str) -> Option<(Ipv4Addr, u16)> {
    Some((conninfo(connection, "host")?.parse().ok()?, conninfo(connection, "port")?.parse().ok()?))
}

/// `conninfo = 'host=... port=...'`: the value has `=` in it.
fn connection(text: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("conninfo")?.trim_start().strip_prefix('='))?;
    Some(line.trim().trim_matches('\'').to_owned())
}

fn conf(call: &Call) -> Option<Conf> {
    let path = Utf8Path::new(option(call, "--config-file")?);
    let bytes = call.machine.disk(|disk| disk.bytes(path).map(<[u8]>::to_vec))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(Conf {
        node_id: setting(&text, "node_id")?.parse().ok()?,
        node_name: setting(&text, "node_name")?,
        data: setting(&text, "data_directory")?.into(),
        own: endpoint(&connection(&text)?)?,
    })
}

pub(super) fn slot(node_id: u32) -> String {
    format!("repmgr_slot_{node_id}")
}

pub(super) fn no_connection(text: &str) -> Ending {
    Ending::bad(6, format!("ERROR: connection to database failed\nDETAIL: {text}\n"))
}

pub(super) fn error(text: &str) -> Ending {
    Ending::bad(1, format!("ERROR: {text}\n"))
}

/// Takes the progress away when the clone ends, however it ends.
struct Backup<'a> {
    model: &'a Model,
    client: String,
}

impl Drop for Backup<'_> {
    fn drop(&mut self) {
        self.model.state().backups.remove(&self.client);
    }
}

impl Model {
    pub(super) async fn repmgr(&self, call: &Call) -> Ending {
        let Some(conf) = conf(call) else {
            return Ending::bad(1, "ERROR: the configuration file cannot be read\n");
        };
        let has = |word: &str| call.arguments.iter().any(|argument| argument == word);
        call.machine.sleep(TIME).await;
        let command = call.arguments.iter().skip_while(|word| word.starts_with("--"));
        let command: Vec<&str> = command.take(2).map(String::as_str).collect();
        match command.as_slice() {
            ["primary", "register"] => self.primary_register(call, &conf, has("--force")),
            ["primary", "unregister"] => self.unregister(call, &conf, "primary"),
            ["standby", "clone"] => self.clone_standby(call, &conf).await,
            ["standby", "register"] => self.standby_register(call, &conf).await,
            ["standby", "unregister"] => self.unregister(call, &conf, "standby"),
            ["standby", "promote"] => self.standby_promote(call, &conf).await,
            ["standby", "follow"] => self.standby_follow(call, &conf).await,
            _ => error("unknown command"),
        }
    }

    fn primary_register(&self, call: &Call, conf: &Conf, force: bool) -> Ending {
        let mut state = self.state();
        state.replicate();
        let place = match state.log_in(call.machine.address, conf.own.0, conf.own.1) {
            Ok(place) => place,
            Err(text) => return no_connection(text),
        };
        let Some(instance) = state.instances.get_mut(&place) else { return error("gone") };
        if instance.upstream.is_some() {
            return error("server is in standby mode and cannot be registered as a primary");
        }
        if !instance.content.has_database {
            return no_connection("FATAL:  database \"repmgr\" does not exist");
        }
        if instance.content.nodes.contains_key(&conf.node_id) && !force {
            return error("this node is already registered");
        }
        for row in instance.content.nodes.values_mut().filter(|row| row.kind == "primary") {
            row.active = false;
        }
        instance.content.has_extension = true;
        let row = NodeRow {
            name: conf.node_name.clone(),
            upstream: None,
            active: true,
            kind: "primary",
            slot: slot(conf.node_id),
            conninfo: conf.own,
        };
        instance.content.nodes.insert(conf.node_id, row);
        state.replicate();
        Ending::good("")
    }

    async fn clone_standby(&self, call: &Call, conf: &Conf) -> Ending {
        let from = option(call, "--dbname").unwrap_or_default().to_owned();
        let Some(source) = endpoint(&from) else { return error("no source") };
        let client = conninfo(&from, "application_name").unwrap_or_default();
        let slot = slot(conf.node_id);
        {
            let mut state = self.state();
            state.replicate();
            let here = (call.machine.name.clone(), conf.data.clone());
            if state.instances.get(&here).is_some_and(|i| i.running().is_some()) {
                return error(
                    "specified data directory appears to contain a running PostgreSQL instance",
                );
            }
            let place = match state.log_in(call.machine.address, source.0, source.1) {
                Ok(place) => place,
                Err(text) => return no_connection(text),
            };
            if data::is_occupied(call, &conf.data) {
                return error("target data directory appears to be a PostgreSQL data directory");
            }
            if state.is_active(&place, &slot) {
                return error(&format!("slot \"{slot}\" is already active"));
            }
            if let Some(instance) = state.instances.get_mut(&place) {
                instance.slots.insert(slot.clone());
            }
        }
        let _backup = Backup { model: self, client: client.clone() };
        data::put(call, &conf.data.join("backup_label"), b"START WAL LOCATION\n");
        for piece in 1..=PIECES {
            call.machine.sleep(PIECE).await;
            let mut state = self.state();
            if let Err(text) = state.log_in(call.machine.address, source.0, source.1) {
                let _ = text;
                // pg_basebackup empties what it had filled, and repmgr drops the slot if it can.
                call.machine.disk(|disk| {
                    for name in disk.list(&conf.data) {
                        disk.remove(&conf.data.join(name));
                    }
                });
                return Ending::bad(
                    14,
                    "ERROR: unable to take a base backup of the source server\n",
                );
            }
            state.backups.insert(client.clone(), (TOTAL / PIECES * piece, TOTAL));
            drop(state);
            data::put(call, &conf.data.join(format!("base/{piece}")), b"pages");
        }
        self.finish_clone(call, conf, source, &slot)
    }

    fn finish_clone(
        &self,
        call: &Call,
        conf: &Conf,
        source: (Ipv4Addr, u16),
        slot: &str,
    ) -> Ending {
        let of = self.state().serving(source.0, source.1).map(|(_, instance)| instance.clone());
        let Some(of) = of else {
            return Ending::bad(14, "ERROR: unable to take a base backup of the source server\n");
        };
        data::put(call, &conf.data.join("PG_VERSION"), b"15\n");
        let number = self.made(call, &conf.data, Some(&of));
        let name = &conf.node_name;
        let auto = format!(
            "primary_conninfo = 'host={} port={} user=repmgr application_name={name}'\n\
             primary_slot_name = '{slot}'\n",
            source.0, source.1
        );
        data::put(call, &conf.data.join("postgresql.auto.conf"), auto.as_bytes());
        data::put(call, &conf.data.join("standby.signal"), b"");
        call.machine.disk(|disk| disk.remove(&conf.data.join("backup_label")));
        let mut state = self.state();
        let place = (call.machine.name.clone(), conf.data.clone());
        if let Some(instance) =
            state.instances.get_mut(&place).filter(|instance| instance.number == number)
        {
            instance.whole = true;
            instance.upstream = Some(Upstream {
                address: source.0,
                port: source.1,
                slot: slot.to_owned(),
                name: name.clone(),
            });
        }
        Ending {
            stderr: b"NOTICE: standby clone (using pg_basebackup) complete\n".to_vec(),
            ..Ending::default()
        }
    }

    async fn standby_register(&self, call: &Call, conf: &Conf) -> Ending {
        let force = call.arguments.iter().any(|word| word == "--force");
        let given = option(call, "--dbname").and_then(endpoint);
        let (place, own) = match self.registrar(call, conf, given) {
            Ok(found) => found,
            Err(ending) => return ending,
        };
        let upstream = option(call, "--upstream-node-id").and_then(|id| id.parse().ok());
        {
            let mut state = self.state();
            let Some(instance) = state.instances.get_mut(&place) else { return error("gone") };
            if !instance.content.has_extension {
                return error("repmgr extension is not installed on the primary");
            }
            if instance.content.nodes.contains_key(&conf.node_id) && !force {
                return error(&format!("node {} is already registered", conf.node_id));
            }
            let known = upstream.is_some_and(|id| instance.content.nodes.contains_key(&id));
            if !known && !force {
                return error("no record found for upstream node");
            }
            let row = NodeRow {
                name: conf.node_name.clone(),
                upstream,
                active: true,
                kind: "standby",
                slot: slot(conf.node_id),
                conninfo: conf.own,
            };
            instance.content.nodes.insert(conf.node_id, row);
            state.replicate();
        }
        let Some(own) = own else { return Ending::good("") };
        for _ in 0..60 {
            let arrived = {
                let mut state = self.state();
                state.replicate();
                state
                    .instances
                    .get(&own)
                    .is_some_and(|i| i.content.nodes.contains_key(&conf.node_id))
            };
            if arrived {
                return Ending::good("");
            }
            call.machine.sleep(Duration::from_secs(1)).await;
        }
        Ending::bad(20, "ERROR: node record was not synchronised after 60 seconds\n")
    }

    /// Where the record is written, and the running standby whose record it is.
    fn registrar(
        &self,
        call: &Call,
        conf: &Conf,
        given: Option<(Ipv4Addr, u16)>,
    ) -> Result<(Place, Option<Place>), Ending> {
        let mut state = self.state();
        state.replicate();
        let from = call.machine.address;
        if let Some((address, port)) = given {
            let place = state.log_in(from, address, port).map_err(no_connection)?;
            return Ok((place, None));
        }
        let own = state.log_in(from, conf.own.0, conf.own.1).map_err(no_connection)?;
        let upstream = state.instances.get(&own).and_then(|instance| instance.upstream.clone());
        let Some(upstream) = upstream else {
            return Err(error("this node should be a standby"));
        };
        let place = state.log_in(from, upstream.address, upstream.port).map_err(no_connection)?;
        Ok((place, Some(own)))
    }

    fn unregister(&self, call: &Call, conf: &Conf, kind: &str) -> Ending {
        let mut state = self.state();
        state.replicate();
        let id: u32 = option(call, "--node-id").and_then(|id| id.parse().ok()).unwrap_or(0);
        if let Err(text) = state.log_in(call.machine.address, conf.own.0, conf.own.1) {
            return no_connection(text);
        }
        let Some(place) = state.primary() else {
            return error("unable to connect to primary server");
        };
        let Some(instance) = state.instances.get_mut(&place) else { return error("gone") };
        match instance.content.nodes.get(&id) {
            None => {
                let text = format!("ERROR: node {id} (specified with --node-id) not found\n");
                return Ending::bad(1, text);
            }
            Some(row) if row.kind != kind => {
                return error(&format!("node {id} is not a {kind} server"));
            }
            Some(_) if instance.content.nodes.values().any(|row| row.upstream == Some(id)) => {
                return error("1 other node still has this node as its upstream node");
            }
            Some(_) => {}
        }
        instance.content.nodes.remove(&id);
        state.replicate();
        Ending::good("")
    }
}
