//! Cuts between two places of the network while all else goes on: one table of the packet filter for each run,
//! on the bridge, so that no host sees it, a reboot of a host does not heal it, and it bears the run's name.

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::Ipv4Addr,
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};

use super::command::{check, command, succeed};

/// One cut: what neither end gets from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    from: Ipv4Addr,
    to: Ipv4Addr,
    /// Only what goes to this TCP port of `to`; all if `None`.
    port: Option<u16>,
}

/// The cuts of a run.
#[derive(Debug)]
pub struct Cuts {
    table: String,
    made: Mutex<BTreeSet<Cut>>,
}

impl Cuts {
    /// Without any cut; the table bears the run's id.
    pub fn none(id: &str) -> Self {
        Self { table: id.to_owned(), made: Mutex::default() }
    }

    /// Cuts two addresses apart, or heals the cut; doing either again changes nothing.
    ///
    /// # Errors
    /// The packet filter refuses; then all is as before.
    pub fn between(&self, one: Ipv4Addr, other: Ipv4Addr, cut: bool) -> Result<()> {
        let (from, to) = (one.min(other), one.max(other));
        self.set(Cut { from, to, port: None }, cut)
    }

    /// The same for one TCP port of `to` alone.
    ///
    /// # Errors
    /// As [`Cuts::between`].
    pub fn port(&self, from: Ipv4Addr, to: Ipv4Addr, port: u16, cut: bool) -> Result<()> {
        self.set(Cut { from, to, port: Some(port) }, cut)
    }

    fn set(&self, one: Cut, cut: bool) -> Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = made.clone();
        match cut {
            true => wanted.insert(one),
            false => wanted.remove(&one),
        };
        load(&ruleset(&self.table, &wanted))?;
        *made = wanted;
        Ok(())
    }
}

/// Takes the table of a run away. Nothing to do is fine.
///
/// # Errors
/// The packet filter refuses.
pub fn remove(id: &str) -> Result<()> {
    let mut list = command("nft");
    list.args(["list", "tables", "bridge"]);
    let wanted = format!("table bridge {id}");
    match succeed(list)?.lines().any(|line| line.trim() == wanted) {
        true => load(&format!("delete table bridge {id}\n")),
        false => Ok(()),
    }
}

/// The whole table, put in the place of the old one in one go.
fn ruleset(table: &str, cuts: &BTreeSet<Cut>) -> String {
    let mut rules = String::new();
    for Cut { from, to, port } in cuts {
        let (there, back) = match port {
            Some(port) => (format!(" tcp dport {port}"), format!(" tcp sport {port}")),
            None => (String::new(), String::new()),
        };
        rules.push_str(&format!("    ip saddr {from} ip daddr {to}{there} drop\n"));
        rules.push_str(&format!("    ip saddr {to} ip daddr {from}{back} drop\n"));
    }
    // Forward: between two hosts. Input and output: between a host and this machine.
    let chains = ["forward", "input", "output"].map(|hook| {
        format!("  chain {hook} {{\n    type filter hook {hook} priority 0;\n{rules}  }}\n")
    });
    // The first line is for the second: what is not there cannot be deleted.
    format!(
        "table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n{}}}\n",
        chains.concat()
    )
}

fn load(ruleset: &str) -> Result<()> {
    let mut nft = command("nft");
    nft.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = nft.spawn().context("start nft")?;
    let written =
        child.stdin.take().map_or(Ok(()), |mut input| input.write_all(ruleset.as_bytes()));
    check("nft -f - (cuts on the hosts' bridge)", &child.wait_with_output().context("nft")?)
        .with_context(|| format!("the rules were\n{ruleset}"))?;
    written.context("give nft its rules")
}
