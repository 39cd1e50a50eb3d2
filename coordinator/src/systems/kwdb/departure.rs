//! What a departure asks of those who stay, read from an observation: their places for replicas, and their
//! disks.

use bellows_proto::v1::KwdbCluster;

use super::{
    ids,
    room::{self, Disk, Room},
    view::View,
    zones::{self, Obstacle, Place},
};

/// Members that leave. `node_id`: of the one whose address the tool does not tell any more; 0: all by
/// their addresses.
#[derive(Clone, Copy)]
pub(super) struct Departure<'a> {
    pub(super) view: View<'a>,
    pub(super) without: &'a [String],
    pub(super) node_id: u32,
    /// So many come before they go, and are not there yet.
    pub(super) coming: &'a [Disk],
}

struct Known<'a> {
    node: &'a str,
    id: u32,
    locality: &'a str,
    leaves: bool,
}

impl<'a> Departure<'a> {
    /// What keeps zones from having their replicas, and rules that name somebody who leaves.
    ///
    /// # Errors
    /// If something was not read.
    pub(super) fn obstacles(self) -> Result<Vec<Obstacle>, String> {
        let zones = &self.view.cluster()?.zones;
        let members = self.members()?;
        let place =
            |known: &Known<'a>| Place { node: known.node, id: known.id, locality: known.locality };
        let leaving: Vec<Place<'_>> =
            members.iter().filter(|known| known.leaves).map(place).collect();
        let mut staying: Vec<Place<'_>> =
            members.iter().filter(|known| !known.leaves).map(place).collect();
        // Whoever comes gets an id that no rule names yet.
        let coming = self.coming.iter();
        staying.extend(coming.map(|disk| Place { node: &disk.node, id: 0, locality: "" }));
        zones::obstacles(zones, &leaving, &staying)
    }

    /// Whether their replicas find room.
    ///
    /// # Errors
    /// If something was not read.
    pub(super) fn room(self) -> Result<Room, String> {
        let cluster = self.view.cluster()?;
        let wanted = zones::default_replicas(&cluster.zones)?;
        let (mut leaving, mut staying) = (Vec::new(), self.coming.to_vec());
        for known in self.members()? {
            let disk = disk(cluster, &known)?;
            if known.leaves { leaving.push(disk) } else { staying.push(disk) }
        }
        let count = |disks: usize| u32::try_from(disks).unwrap_or(u32::MAX);
        let before = count((leaving.len() + staying.len()).saturating_sub(self.coming.len()));
        let after = count(staying.len());
        let (now, then) = (zones::effective(wanted, before), zones::effective(wanted, after));
        Ok(room::room(&leaving, &staying, now, then))
    }

    fn members(self) -> Result<Vec<Known<'a>>, String> {
        let mut members = Vec::new();
        for member in self.view.in_spec() {
            let node = member.node.as_str();
            let leaves = self.without.contains(&member.node);
            let given = if leaves { self.node_id } else { 0 };
            let id = ids::must(self.view, node, given)?;
            members.push(Known { node, id, locality: self.locality(id), leaves });
        }
        Ok(members)
    }

    /// Empty: nobody tells it, as of one that is gone for long.
    fn locality(self, id: u32) -> &'a str {
        let witnesses = self.view.answering(&[]);
        let rows =
            witnesses.iter().flat_map(|one| one.server.active.iter().chain(&one.server.known));
        let told = rows.filter(|row| row.id == id).map(|row| row.locality.as_str());
        told.into_iter().find(|locality| !locality.is_empty()).unwrap_or("")
    }
}

fn disk(cluster: &KwdbCluster, known: &Known<'_>) -> Result<Disk, String> {
    let mut disk = Disk { node: known.node.to_owned(), capacity: 0, available: 0, used: 0 };
    let mut stores = cluster.stores.iter().filter(|store| store.node_id == known.id).peekable();
    if stores.peek().is_none() {
        return Err(format!("the disk of {} (node {}) was not read", known.node, known.id));
    }
    for store in stores {
        disk.capacity = disk.capacity.saturating_add(store.capacity);
        disk.available = disk.available.saturating_add(store.available);
        disk.used = disk.used.saturating_add(store.used);
    }
    Ok(disk)
}
