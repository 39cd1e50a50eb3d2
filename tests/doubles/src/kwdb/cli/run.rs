//! One step of a running command.

use super::wire::{Answer, Wire, failure};
use super::{Client, Task, Turn};
use crate::kwdb::serve::Progress;
use crate::kwdb::{Failure, NodeId, Request, Response, Table};

/// How often a client that was not answered looks again. The real one just waits.
const LOOK_MS: i64 = 200;
const MOST_BACKOFF_MS: i64 = 20_000;
/// How long a command that is no SQL waits for a host that sends nothing back: unconfirmed.
const DIAL_MS: i64 = 20_000;

impl Client {
    /// Goes one step: asks the node at most once, writes what there is to write.
    pub fn step(&mut self, wire: &mut dyn Wire, now_ms: i64) -> Turn {
        if let Some(status) = self.ended {
            return Turn::Ended { status };
        }
        let Some(request) = self.request() else {
            return self.end();
        };
        // Every statement and call has its own time.
        let asked = *self.asked_ms.get_or_insert(now_ms);
        let answer = wire.ask(&self.connection, &request);
        let by_sql =
            matches!(request, Request::NodeStatus { .. } | Request::NodeLs | Request::Sql { .. });
        let again = Turn::Again { at_ms: now_ms + self.pace.span(LOOK_MS) };
        match &answer {
            Answer::Silent => match self.timeout() {
                Some(limit) if now_ms - asked >= self.pace.span(limit) => {
                    self.fail(&Failure::coded(
                        "57014",
                        "query execution canceled due to statement timeout".to_owned(),
                    ));
                }
                Some(_) | None => return again,
            },
            Answer::Unreachable(_) => {
                let limit = if by_sql { self.connection.connect_ms } else { DIAL_MS };
                if now_ms - asked < self.pace.span(limit) {
                    return again;
                }
                self.refuse(&answer, by_sql);
            }
            Answer::Response(response) => {
                self.asked_ms = None;
                return self.take(response.clone(), now_ms);
            }
            // A server that ends cannot answer: that is what was asked of it.
            Answer::Closed(_) if matches!(request, Request::Shutdown) => {
                self.stdout.push_str("ok\n");
                return self.end();
            }
            Answer::Refused(_)
            | Answer::Certificates(_)
            | Answer::InsecureServer(_)
            | Answer::SecureServer(_)
            | Answer::Authentication(_)
            | Answer::Closed(_) => self.refuse(&answer, by_sql),
        }
        Turn::Ended { status: self.ended.unwrap_or(1) }
    }

    fn timeout(&self) -> Option<i64> {
        match &self.task {
            Task::Status { timeout_ms, .. } | Task::List { timeout_ms } => *timeout_ms,
            Task::Decommission { .. }
            | Task::Recommission { .. }
            | Task::Drain { .. }
            | Task::Init
            | Task::Sql { .. } => None,
        }
    }

    fn refuse(&mut self, answer: &Answer, by_sql: bool) {
        if let Some(failure) = failure(answer, &self.connection, by_sql) {
            self.fail(&failure);
        }
    }

    /// Writes an error in the layout of section 2.3 and ends with 1.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        self.tell(failure);
        self.stderr.push_str(&format!("Failed running \"{}\"\n", self.name));
        self.ended = Some(1);
    }

    fn tell(&mut self, failure: &Failure) {
        self.stderr.push_str(&format!("ERROR: {}\n", failure.message));
        for (label, value) in
            [("SQLSTATE", &failure.code), ("DETAIL", &failure.detail), ("HINT", &failure.hint)]
        {
            if let Some(value) = value {
                self.stderr.push_str(&format!("{label}: {value}\n"));
            }
        }
    }

    fn end(&mut self) -> Turn {
        if self.failed {
            self.stderr.push_str(&format!("Failed running \"{}\"\n", self.name));
        }
        let status = i32::from(self.failed);
        self.ended = Some(status);
        Turn::Ended { status }
    }

    /// What it asks now; `None` when there is nothing left to ask.
    fn request(&self) -> Option<Request> {
        Some(match &self.task {
            Task::Status { node, groups, .. } => {
                Request::NodeStatus { node: *node, groups: *groups }
            }
            Task::List { .. } => Request::NodeLs,
            Task::Decommission { .. } | Task::Recommission { .. } if self.stage == 0 => {
                Request::States
            }
            Task::Decommission { nodes, .. } => {
                Request::Decommission { nodes: nodes.clone(), on: true }
            }
            Task::Recommission { nodes } => {
                Request::Decommission { nodes: nodes.clone(), on: false }
            }
            Task::Drain { .. } if self.stage == 1 => Request::Shutdown,
            Task::Drain { .. } => Request::Drain,
            Task::Init => Request::Init,
            Task::Sql { statements, .. } => Request::Sql {
                statement: statements.get(usize::try_from(self.stage).ok()?)?.clone(),
                user: self.connection.user.clone(),
                database: self.connection.database.clone(),
            },
        })
    }

    fn take(&mut self, response: Response, now_ms: i64) -> Turn {
        let now = Turn::Again { at_ms: now_ms };
        let reads_status = matches!(self.task, Task::Status { .. } | Task::List { .. });
        // Section 3: `node status` needs the admin role.
        if reads_status && self.connection.user != "root" {
            self.fail(&Failure::coded(
                "42501",
                "only users with the admin role are allowed to read kwdb_internal.gossip_nodes"
                    .to_owned(),
            ));
            return Turn::Ended { status: 1 };
        }
        match response {
            Response::Failed(failure) => return self.failed(failure, now),
            Response::Garbage(bytes) => self.stdout.push_str(&bytes),
            Response::Table(table) => self.stdout.push_str(&self.format.write(&table)),
            Response::Tag(tag) => self.stdout.push_str(&format!("{tag}\n")),
            Response::States(states) => {
                self.warn(&states);
                self.stage = 1;
                return now;
            }
            Response::Decommission(rows) => return self.progress(&rows, now_ms),
            Response::Remaining(left) => return self.drained(left, now_ms),
            Response::Done => match self.task {
                Task::Init => self.stdout.push_str("Cluster successfully initialized\n"),
                Task::Status { .. }
                | Task::List { .. }
                | Task::Decommission { .. }
                | Task::Recommission { .. }
                | Task::Drain { .. }
                | Task::Sql { .. } => self.stdout.push_str("ok\n"),
            },
        }
        if matches!(self.task, Task::Sql { .. }) {
            self.stage += 1;
            return now;
        }
        self.end()
    }

    fn failed(&mut self, mut failure: Failure, now: Turn) -> Turn {
        match &self.task {
            Task::Decommission { .. } => {
                self.stderr.push('\n');
                failure.message =
                    format!("while trying to mark as decommissioning: {}", failure.message);
            }
            Task::Sql { go_on: true, .. } => {
                self.tell(&failure);
                self.failed = true;
                self.stage += 1;
                return now;
            }
            Task::Status { .. }
            | Task::List { .. }
            | Task::Recommission { .. }
            | Task::Drain { .. }
            | Task::Init
            | Task::Sql { .. } => {}
        }
        self.fail(&failure);
        Turn::Ended { status: 1 }
    }

    /// Warnings before anything is set; none of them ends the command.
    fn warn(&mut self, states: &std::collections::BTreeMap<NodeId, String>) {
        let (nodes, to_go) = match &self.task {
            Task::Decommission { nodes, .. } => (nodes.clone(), true),
            Task::Recommission { nodes } => (nodes.clone(), false),
            Task::Status { .. }
            | Task::List { .. }
            | Task::Drain { .. }
            | Task::Init
            | Task::Sql { .. } => return,
        };
        for id in nodes {
            let line = match (states.get(&id).map(String::as_str), to_go) {
                (None, _) => format!("warning: cannot find status of node {id}\n"),
                (Some("DECOMMISSIONING" | "DECOMMISSIONED"), true) => {
                    format!("warning: node {id} is already decommissioning or decommissioned\n")
                }
                (Some(_), true) | (Some("DECOMMISSIONING" | "DECOMMISSIONED"), false) => continue,
                (Some("LIVE"), false) => format!("warning: node {id} is not decommissioned\n"),
                (Some(other), false) => {
                    format!("warning: node {id} is in unexpected state {other}\n")
                }
            };
            self.stderr.push_str(&line);
        }
    }

    /// A report on decommissioning: a table whenever it differs from the one before, else a dot (section 4.1).
    fn progress(&mut self, rows: &[Progress], now_ms: i64) -> Turn {
        let table = progress_table(rows);
        let Task::Decommission { wait, .. } = self.task else {
            self.stdout.push_str(&self.format.write(&table));
            return self.end();
        };
        let shown = self.format.write(&table);
        if self.last.as_ref() == Some(&shown) {
            self.stderr.push('.');
        } else {
            self.stderr.push('\n');
            self.stdout.push_str(&shown);
            self.last = Some(shown);
        }
        let left: u64 = rows.iter().map(|row| row.replicas).sum();
        if left == 0 && rows.iter().all(|row| row.is_decommissioning) {
            self.stdout.push_str(
                "\nNo more data reported on target nodes. Please verify cluster health before removing the nodes.\n",
            );
            return self.end();
        }
        if !wait {
            return self.end();
        }
        if self.least.is_none_or(|least| left < least) {
            self.least = Some(left);
            self.backoff_ms = 5;
        }
        let wait_ms = self.pace.span(self.backoff_ms);
        self.backoff_ms = (self.backoff_ms * 2).min(MOST_BACKOFF_MS);
        Turn::Again { at_ms: now_ms + wait_ms }
    }

    fn drained(&mut self, left: u64, now_ms: i64) -> Turn {
        let Task::Drain { quit, wait_ms } = self.task else { return self.end() };
        let done = if left == 0 { " (complete)" } else { "" };
        self.stderr.push_str(&format!("node is draining... remaining: {left}{done}\n"));
        if left > 0 {
            if now_ms - self.begun_ms < self.pace.span(wait_ms) {
                return Turn::Again { at_ms: now_ms + self.pace.span(LOOK_MS) };
            }
            if !quit {
                self.fail(&Failure::plain("drain timeout".to_owned()));
                return Turn::Ended { status: 1 };
            }
            self.stderr.push_str(
                "warning: drain did not complete successfully; hard shutdown may cause disruption\n",
            );
        }
        if quit {
            self.stage = 1;
            return Turn::Again { at_ms: now_ms };
        }
        self.stdout.push_str("ok\n");
        self.end()
    }
}

fn progress_table(rows: &[Progress]) -> Table {
    let columns = ["id", "is_live", "replicas", "is_decommissioning", "is_draining"];
    let cells = |row: &Progress| {
        vec![
            Some(row.node.to_string()),
            Some(row.is_live.to_string()),
            Some(row.replicas.to_string()),
            Some(row.is_decommissioning.to_string()),
            Some(row.is_draining.to_string()),
        ]
    };
    Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.iter().map(cells).collect() }
}
