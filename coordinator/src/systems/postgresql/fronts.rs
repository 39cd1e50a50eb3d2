//! What stands in front of a cluster, in a plan: each step at which clients must be led to other
//! members is one act per front. Where a cluster has no front, nothing is added.

use bellows_proto::v1::{Condition, FrontBackend, FrontKind, NodeRef, NoteKind};

use super::{
    actions, conditions,
    draft::{self, Draft, Placed, Task},
    view::View,
};

/// A front of this site, as its configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// The cluster that it stands in front of.
    pub cluster: String,
    /// Its name on its host.
    pub name: String,
    /// The host whose agent declares it.
    pub host: String,
}

/// Whom fronts lead clients to.
#[derive(Debug, Clone)]
struct Served {
    members: Vec<Placed>,
    primary: String,
    /// Members that no client is led to.
    away: Vec<String>,
}

impl Served {
    fn backends(&self) -> Vec<FrontBackend> {
        let backend = |member: &Placed| FrontBackend {
            attached: Some(!self.away.contains(&member.node)),
            primary: Some(member.node == self.primary),
            ..bare(member)
        };
        draft::in_order(self.members.iter()).iter().map(backend).collect()
    }
}

/// A member as any front lists it, whatever its state there.
pub(super) fn bare(member: &Placed) -> FrontBackend {
    FrontBackend {
        node: member.node.clone(),
        address: member.place.address.clone(),
        port: member.place.port,
        attached: None,
        primary: None,
    }
}

/// The fronts of a cluster, and whom they will lead clients to at this point of the plan.
pub(super) struct Fronts {
    /// Host, name, kind.
    all: Vec<(String, String, FrontKind)>,
    now: Served,
    listed_before: Vec<FrontBackend>,
}

impl Fronts {
    /// As the guards have let them pass.
    pub(super) fn of(view: View<'_>, members: &[Placed], primary: &str) -> Self {
        let all = view.fronts.iter().map(|front| {
            let kind = super::view::front(front).map_or(FrontKind::Unspecified, |read| read.kind());
            (front.host.clone(), front.front.clone(), kind)
        });
        let (primary, away) = (primary.to_owned(), Vec::new());
        Self {
            all: all.collect(),
            now: Served { members: members.to_vec(), primary, away },
            listed_before: members.iter().map(bare).collect(),
        }
    }

    /// What the plan rests on: they list the members. States are mended on the way.
    pub(super) fn premises(&self) -> Vec<Condition> {
        let serves = |(host, name, _): &(String, String, FrontKind)| {
            conditions::front_serves(host, name, self.listed_before.clone())
        };
        self.all.iter().map(serves).collect()
    }

    /// From here on nobody is led to these.
    pub(super) fn lead_away<'a>(
        &mut self,
        draft: &mut Draft,
        leaving: impl Iterator<Item = &'a Placed>,
    ) {
        let names = draft::names(leaving);
        let Some(listed) = said(&names) else { return };
        let mut after = self.now.clone();
        after.away.extend(names);
        self.turn(
            draft,
            after,
            |front| format!("lead no client to {listed} at {front}"),
            LEAVING,
            true,
        );
    }

    /// A dead member: nobody wants clients led to it again.
    pub(super) fn lead_away_for_good(&mut self, draft: &mut Draft, dead: &Placed) {
        let mut after = self.now.clone();
        after.away.push(dead.node.clone());
        let title = |front: &str| format!("lead no client to {} at {front}", dead.node);
        self.turn(draft, after, title, "its host is dead: clients that are led there wait", false);
    }

    /// These are served from now on; those in `away` are served no more, but still listed.
    pub(super) fn take_in(&mut self, draft: &mut Draft, new: &[Placed], leaving: Option<&Placed>) {
        let names = draft::names(new.iter());
        let Some(listed) = said(&names) else { return };
        let mut after = self.now.clone();
        after.members.extend(new.iter().cloned());
        after.away.extend(leaving.map(|node| node.node.clone()));
        let title = |front: &str| match leaving {
            Some(leaving) => {
                format!("lead clients to {listed} and no more to {} at {front}", leaving.node)
            }
            None => format!("lead clients to {listed} at {front}"),
        };
        self.turn(draft, after, title, "it streams: readers may be led to it", true);
        let last = draft.last_number();
        for (host, name) in self.pools() {
            let text = format!(
                "taking this back after step {last} restarts Pgpool-II {name} on {host}: every client that is connected through it is cut off and connects again"
            );
            draft.note(NoteKind::Risk, text);
        }
    }

    /// The role has moved: writers are led to the new primary, and nobody to the former one, which is stopped.
    pub(super) fn follow(&mut self, draft: &mut Draft, old: &Placed, new: &Placed) {
        let mut after = self.now.clone();
        after.primary.clone_from(&new.node);
        after.away.push(old.node.clone());
        let title = |front: &str| format!("lead writers to {} at {front}", new.node);
        let reason = "a front that did not see the role move leads writers to a standby";
        self.turn(draft, after, title, reason, false);
    }

    /// One in the place of a dead one, which nobody is led to any more.
    pub(super) fn swap(&mut self, draft: &mut Draft, old: &Placed, new: &Placed) {
        let mut after = self.now.clone();
        after.members.retain(|member| member.node != old.node);
        after.members.push(new.clone());
        after.away.clear();
        let (coming, gone) = (&new.node, &old.node);
        let title = |front: &str| format!("list {coming} in the place of {gone} at {front}");
        self.turn(draft, after, title, "it streams: readers may be led to it", false);
        self.restart_note(draft, gone);
    }

    /// All members but these are served again: what was away came back, what a front took for dead is not.
    pub(super) fn lead_to_all(&mut self, draft: &mut Draft, primary: &str, but: &[String]) {
        let mut after = self.now.clone();
        after.primary = primary.to_owned();
        after.away = but.to_vec();
        let reason = "a front may have taken a member that was away for dead, and keeps it out";
        self.turn(
            draft,
            after,
            |front| format!("lead clients to every member that is well at {front}"),
            reason,
            false,
        );
    }

    /// Only these are listed: the end of a removal.
    pub(super) fn forget(&mut self, draft: &mut Draft, staying: &[Placed], primary: &str) {
        let left = |member: &&Placed| !staying.iter().any(|stays| stays.node == member.node);
        let names = draft::names(self.now.members.iter().filter(left));
        let Some(listed) = said(&names) else { return };
        let away = Vec::new();
        let after = Served { members: staying.to_vec(), primary: primary.to_owned(), away };
        let reason = "an address that is given to another machine must get no clients";
        self.turn(draft, after, |front| format!("take {listed} out of {front}"), reason, false);
        self.restart_note(draft, &listed);
    }

    /// Those that are Pgpool-II.
    fn pools(&self) -> Vec<(String, String)> {
        let pools = self.all.iter().filter(|(.., kind)| *kind == FrontKind::Pgpool);
        pools.map(|(host, name, _)| (host.clone(), name.clone())).collect()
    }

    /// What a change of rows costs.
    fn restart_note(&self, draft: &mut Draft, listed: &str) {
        let last = draft.last_number();
        for (host, name) in self.pools() {
            let text = format!(
                "Pgpool-II {name} on {host} is restarted to forget {listed}, at the end, by step {last}: every client that is connected through it is cut off and connects again"
            );
            draft.note(NoteKind::Impact, text);
        }
    }

    fn turn(
        &mut self,
        draft: &mut Draft,
        after: Served,
        title: impl Fn(&str) -> String,
        reason: &'static str,
        undoable: bool,
    ) {
        let (before, wanted) = (self.now.backends(), after.backends());
        for (host, name, _) in &self.all {
            let at: NodeRef = draft.node(name);
            let back = actions::set_front(at.clone(), host, before.clone(), wanted.clone());
            draft.also_at(host);
            draft.act(Task {
                title: title(&format!("{name} on {host}")),
                reason,
                host: host.clone(),
                action: actions::set_front(at, host, wanted.clone(), before.clone()),
                requires: vec![],
                undo: if undoable { vec![draft::back(host, back)] } else { vec![] },
            });
            // It protects no data, and can be done by hand.
            draft.skippable();
        }
        self.now = after;
    }
}

const LEAVING: &str = "readers that are led there would be cut off in the middle";

/// "pg3", "pg3, pg4"; `None`: nobody.
fn said(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}
