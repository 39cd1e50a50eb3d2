//! `initdb` and `pg_controldata`.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::tools::{Call, Ending},
    Model, OS_USER, option,
    state::{Content, Instance, control_file, lsn},
};

/// Between two phases of `initdb`.
const PHASE: Duration = Duration::from_millis(300);

/// Puts a file of a data directory, with the folders above it.
pub(super) fn put(call: &Call, path: &Utf8Path, bytes: &[u8]) {
    let id = call.machine.users.get(OS_USER).copied().unwrap_or(0);
    let now = call.machine.world().now_ms();
    call.machine.disk(|disk| {
        if let Some(above) = path.parent()
            && !disk.is_directory(above)
        {
            // The tool makes them; nothing else is in the way.
            let _ = disk.make_directory(above, 0o700, (id, id), now);
        }
        let _ = disk.put(path, bytes, 0o600, (id, id), now);
    });
}

/// Whether something is in a directory.
pub(super) fn is_occupied(call: &Call, data: &Utf8Path) -> bool {
    call.machine.disk(|disk| !disk.list(data).is_empty())
}

impl Model {
    pub(super) async fn initdb(&self, call: &Call) -> Ending {
        let Some(data) = option(call, "--pgdata").map(Utf8PathBuf::from) else {
            return Ending::bad(1, "initdb: error: no data directory specified\n");
        };
        let password = option(call, "--pwfile").map(Utf8PathBuf::from);
        let readable =
            password.is_some_and(|path| call.machine.disk(|disk| disk.bytes(&path).is_some()));
        if !readable {
            return Ending::bad(1, "initdb: error: could not open the password file\n");
        }
        if is_occupied(call, &data) {
            let text = format!("initdb: error: directory \"{data}\" exists but is not empty\n");
            return Ending::bad(1, text);
        }
        call.machine.sleep(PHASE).await;
        put(call, &data.join("PG_VERSION"), b"15\n");
        call.machine.sleep(PHASE).await;
        put(call, &data.join("base/1/PG_VERSION"), b"15\n");
        call.machine.sleep(PHASE).await;
        let number = self.made(call, &data, None);
        call.machine.sleep(PHASE).await;
        let mut state = self.state();
        if let Some(instance) = state
            .instances
            .get_mut(&(call.machine.name.clone(), data))
            .filter(|instance| instance.number == number)
        {
            instance.whole = true;
            instance.content.roles.insert("repmgr".to_owned());
        }
        Ending::good("Success.\n")
    }

    /// A control file is there from now on.
    pub(super) fn made(&self, call: &Call, data: &Utf8Path, of: Option<&Instance>) -> u64 {
        let mut state = self.state();
        state.next_number += 1;
        let number = state.next_number;
        put(call, &control_file(data), number.to_string().as_bytes());
        let identifier = match of {
            Some(of) => of.system_identifier.clone(),
            None => {
                (7_000_000_000_000_000_000_u64 + call.machine.world().below(1 << 40)).to_string()
            }
        };
        let instance = Instance {
            machine: call.machine.clone(),
            number,
            system_identifier: identifier,
            control: if of.is_some() { "in production" } else { "shut down" },
            whole: false,
            upstream: None,
            content: of.map_or_else(Content::default, |of| of.content.clone()),
            history: of.map_or_else(Vec::new, |of| of.history.clone()),
            slots: Default::default(),
            paused: false,
            retired: false,
            server: None,
        };
        state.instances.insert((call.machine.name.clone(), data.to_owned()), instance);
        number
    }

    pub(super) fn pg_controldata(&self, call: &Call) -> Ending {
        let data = option(call, "--pgdata").map(Utf8PathBuf::from).unwrap_or_default();
        let mut state = self.state();
        state.look_at_disks();
        let Some(instance) = state.instances.get(&(call.machine.name.clone(), data)) else {
            return Ending::bad(1, "pg_controldata: fatal: could not open file\n");
        };
        let identifier = &instance.system_identifier;
        let control = instance.control;
        let last = lsn(instance.content.rows);
        let timeline = instance.timeline();
        // What a standby's data are consistent from.
        let (recovered, of) = match instance.upstream.is_some() && control != "in production" {
            true => (last, timeline),
            false => (0, 0),
        };
        let place = |lsn: u64| format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff);
        let (last, recovered) = (place(last), place(recovered));
        Ending::good(format!(
            "pg_control version number:            1300\n\
             Database system identifier:           {identifier}\n\
             Database cluster state:               {control}\n\
             Latest checkpoint location:           {last}\n\
             Latest checkpoint's TimeLineID:       {timeline}\n\
             Minimum recovery ending location:     {recovered}\n\
             Min recovery ending loc's timeline:   {of}\n"
        ))
    }
}
