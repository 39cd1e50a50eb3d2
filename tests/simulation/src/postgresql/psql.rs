//! `psql`: the agent's constant scripts, answered as csv.

use std::{fmt::Write as _, net::Ipv4Addr, time::Duration};

use super::{
    super::tools::{Call, Ending},
    Model, VERSION, option,
    state::{Place, State, end, lsn},
};

const ROUND_TRIP: Duration = Duration::from_millis(20);

const CREATE_DATABASE: &str =
    include_str!("../../../../agent/src/tools/postgresql/create_database.sql");
const CREATE_SLOT: &str = include_str!("../../../../agent/src/tools/postgresql/create_slot.sql");
const DROP_SLOT: &str = include_str!("../../../../agent/src/tools/postgresql/drop_slot.sql");
const LOGIN: &str = include_str!("../../../../agent/src/tools/postgresql/login.sql");
const NODE: &str = include_str!("../../../../agent/src/tools/postgresql/node.sql");
pub(super) const CHECKPOINT: &str =
    include_str!("../../../../agent/src/tools/postgresql/checkpoint.sql");
const PAUSE: &str = include_str!("../../../../agent/src/tools/postgresql/pause_repmgrd.sql");
const PROGRESS: &str = include_str!("../../../../agent/src/tools/postgresql/progress.sql");
const REGISTERED: &str = include_str!("../../../../agent/src/tools/postgresql/registered.sql");
const UPSTREAM: &str = include_str!("../../../../agent/src/tools/postgresql/upstream.sql");

fn variable<'a>(call: &'a Call, name: &str) -> &'a str {
    let found = call.arguments.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default()
}

fn refused(text: &str) -> Ending {
    Ending::bad(2, format!("psql: error: connection to server failed: {text}\n"))
}

fn sqlstate(state: &str, text: &str) -> Ending {
    Ending::bad(3, format!("psql:<stdin>:1: ERROR:  {state}: {text}\n"))
}

fn boolean(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}

impl Model {
    pub(super) async fn psql(&self, call: &Call) -> Ending {
        call.machine.sleep(ROUND_TRIP).await;
        let address = option(call, "--host").and_then(|text| text.parse::<Ipv4Addr>().ok());
        let port = option(call, "--port").and_then(|text| text.parse::<u16>().ok());
        let (Some(address), Some(port)) = (address, port) else {
            return Ending::bad(1, "psql: error: bad arguments\n");
        };
        let mut state = self.state();
        state.replicate();
        let place = match state.log_in(call.machine.address, address, port) {
            Ok(place) => place,
            Err(text) => return refused(text),
        };
        if option(call, "--username") != Some("repmgr") {
            return refused("FATAL:  password authentication failed for user");
        }
        let script = String::from_utf8_lossy(&call.stdin).into_owned();
        match script.as_str() {
            NODE => Ending::good(state.node(call, &place)),
            LOGIN => Ending::good("#ordinary\nok\n1\n#replication\nsystemid\n1\n#end\n"),
            PROGRESS => Ending::good(state.progress(variable(call, "client"))),
            UPSTREAM => {
                let identifier = state.instances.get(&place).map(|i| i.system_identifier.clone());
                let identifier = identifier.unwrap_or_default();
                Ending::good(format!("#upstream\nsystem_identifier\n{identifier}\n#end\n"))
            }
            CHECKPOINT => Ending::good(""),
            PAUSE => state.pause(&place, variable(call, "paused")),
            REGISTERED => state.registered(&place, variable(call, "node_id")),
            CREATE_DATABASE | CREATE_SLOT | DROP_SLOT => state.change(call, &place, &script),
            _ => Ending::bad(3, "psql:<stdin>:1: ERROR:  42601: not modelled\n"),
        }
    }
}

impl State {
    /// The place whose server lets somebody in.
    pub(super) fn log_in(
        &self,
        from: Ipv4Addr,
        address: Ipv4Addr,
        port: u16,
    ) -> Result<Place, &'static str> {
        let found = self.instances.iter().find(|(_, instance)| {
            instance.running().is_some_and(|s| (s.address, s.port) == (address, port))
        });
        let Some((place, instance)) = found else { return Err("Connection refused") };
        let Some(server) = instance.ready() else {
            return Err("FATAL:  the database system is starting up");
        };
        if !server.members.contains(&from) {
            return Err("FATAL:  no pg_hba.conf entry for host");
        }
        Ok(place.clone())
    }

    fn change(&mut self, call: &Call, place: &Place, script: &str) -> Ending {
        let slot = variable(call, "slot").to_owned();
        let active = self.is_active(place, &slot);
        let Some(instance) = self.instances.get_mut(place) else { return refused("gone") };
        let standby = instance.upstream.is_some();
        let answer = match script {
            CREATE_DATABASE if standby => {
                sqlstate("25006", "cannot execute CREATE ROLE in a read-only transaction")
            }
            CREATE_DATABASE => {
                instance.content.roles.insert("postgres".to_owned());
                instance.content.has_database = true;
                Ending::good("")
            }
            CREATE_SLOT if instance.slots.contains(&slot) => {
                sqlstate("42710", &format!("replication slot \"{slot}\" already exists"))
            }
            CREATE_SLOT => {
                instance.slots.insert(slot.clone());
                Ending::good(format!("pg_create_physical_replication_slot\n\"({slot},)\"\n"))
            }
            _ if !instance.slots.contains(&slot) => {
                sqlstate("42704", &format!("replication slot \"{slot}\" does not exist"))
            }
            _ if active => {
                sqlstate("55006", &format!("replication slot \"{slot}\" is active for PID 1"))
            }
            _ => {
                instance.slots.remove(&slot);
                Ending::good("pg_drop_replication_slot\n\"\"\n")
            }
        };
        self.replicate();
        answer
    }

    fn pause(&mut self, place: &Place, paused: &str) -> Ending {
        match self.instances.get_mut(place) {
            Some(instance) if instance.content.has_extension => {
                instance.paused = paused == "true";
                Ending::good("repmgrd_pause\n\"\"\n")
            }
            Some(_) | None => sqlstate("3F000", "schema \"repmgr\" does not exist"),
        }
    }

    fn progress(&self, client: &str) -> String {
        let row = self.backups.get(client).map(|(done, total)| format!("{done},{total}\n"));
        format!("#progress\ndone,total\n{}", row.unwrap_or_default())
    }

    fn registered(&self, place: &Place, node_id: &str) -> Ending {
        let content = self.instances.get(place).map(|instance| &instance.content);
        if !content.is_some_and(|content| content.has_extension) {
            return Ending {
                stdout: b"#registered\n#end\n".to_vec(),
                stderr: b"ERROR:  42P01: relation \"repmgr.nodes\" does not exist\n".to_vec(),
                ..Ending::default()
            };
        }
        let row = content
            .and_then(|content| content.nodes.get(&node_id.parse().unwrap_or(0)))
            .map(|row| format!("{}\n", row.name));
        Ending::good(format!("#registered\nnode_name\n{}#end\n", row.unwrap_or_default()))
    }

    /// The whole reading of a node.
    fn node(&self, call: &Call, place: &Place) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_node(&mut text, call, place);
        text
    }

    fn write_node(&self, out: &mut String, call: &Call, place: &Place) -> std::fmt::Result {
        let Some(instance) = self.instances.get(place) else { return Ok(()) };
        let Some(server) = instance.ready() else { return Ok(()) };
        let standby = instance.upstream.is_some();
        writeln!(
            out,
            "#server\nversion,version_number,in_recovery,system_identifier,config_loaded_at_ms\n\
             {VERSION},150020,{},{},{}",
            boolean(standby),
            instance.system_identifier,
            server.loaded_at_ms
        )?;
        out.push_str("#receiver\nstatus\n");
        if self.streams_from(place).is_some() {
            out.push_str("streaming\n");
        }
        let received = end(instance.content.rows);
        let recovery = if standby { format!("{received},f") } else { ",".to_owned() };
        writeln!(out, "#recovery\nreceived_lsn,replay_paused\n{recovery}")?;
        out.push_str("#wal\ntimeline,written_lsn,oldest_wal_lsn\n");
        match standby {
            true => out.push_str(",,\n"),
            false => writeln!(out, "{},{received},{}", instance.timeline(), lsn(0))?,
        }
        out.push_str("#history\ntimeline,ends_lsn\n");
        for (before, ends) in instance.history.iter().enumerate().filter(|_| !standby) {
            writeln!(out, "{},{ends}", before + 1)?;
        }
        out.push_str("#settings\nname,setting\n");
        for (name, value) in &server.settings {
            writeln!(out, "{name},{value}")?;
        }
        out.push_str("#senders\napplication_name,state,sync_state,lag_bytes\n");
        for (other, standby) in &self.instances {
            if self.streams_from(other).as_ref() == Some(place)
                && let Some(upstream) = &standby.upstream
            {
                writeln!(out, "{},streaming,async,0", upstream.name)?;
            }
        }
        // The agent itself and repmgrd: no clients.
        out.push_str("#connections\nused,clients,hidden\n2,0,0\n");
        out.push_str("#clients\nuser,database,application,address,count\n");
        out.push_str("#slots\nslot_name,slot_type,active,wal_status\n");
        for slot in &instance.slots {
            writeln!(out, "{slot},physical,{},reserved", boolean(self.is_active(place, slot)))?;
        }
        out.push_str("#objects\nobject\n");
        if instance.content.has_database {
            out.push_str("database:repmgr\n");
        }
        for role in &instance.content.roles {
            writeln!(out, "role:{role}")?;
        }
        out.push_str(
            "#hba\nline_number,error\n#collations\ndatabase,created_with,has_now\npostgres,,\n",
        );
        out.push_str("#size\nbytes\n23394357\n#tablespaces\nname\n");
        if instance.content.has_database && instance.content.has_extension {
            let running = self.repmgrds.iter().any(|((host, config), process)| {
                *host == place.0 && process.is_alive() && instance.reads_beside(config)
            });
            let paused = boolean(instance.paused);
            writeln!(out, "#repmgrd\nrunning,paused\n{},{paused}", boolean(running))?;
            out.push_str("#nodes\nnode_id,node_name,upstream_node_id,active,type,slot_name\n");
            for (id, row) in &instance.content.nodes {
                let upstream = row.upstream.map(|id| id.to_string()).unwrap_or_default();
                let active = boolean(row.active);
                writeln!(out, "{id},{},{upstream},{active},{},{}", row.name, row.kind, row.slot)?;
            }
        }
        let _ = call;
        writeln!(out, "#end")
    }
}
