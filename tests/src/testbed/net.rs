//! One bridge, and a network namespace with a veth pair for each host. No NAT and no route out: the
//! hosts reach each other and this machine's address on the bridge, nothing else.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::command::{command, ip, succeed};
use super::run::Lock;

/// Subnets are 10.213.X.0/24, X free on this machine.
const NETWORK: [u8; 2] = [10, 213];
/// Hosts get the addresses from here on; the bridge has the first.
const FIRST_HOST: usize = 11;
const MAX_HOSTS: usize = 200;
/// Choosing a subnet and taking it must be one step for all checkouts of this machine.
const SUBNET_LOCK: &str = "/run/bellows-testbed.lock";

/// The network of one run. [`remove`] takes it away.
#[derive(Debug)]
pub struct Bridge {
    name: String,
    subnet: u8,
}

/// A host's place on the network.
#[derive(Debug)]
pub struct Link {
    /// Name of the host's network namespace.
    pub namespace: String,
    /// Name of the outer end of its veth pair, on the bridge.
    pub outer: String,
    /// The host's address.
    pub address: Ipv4Addr,
}

impl Bridge {
    /// Makes a bridge with a subnet that is free on this machine.
    ///
    /// # Errors
    /// `ip` failed, or too many hosts or runs.
    pub fn up(id: &str, hosts: usize) -> Result<Self> {
        if hosts > MAX_HOSTS {
            bail!("{hosts} hosts are more than {MAX_HOSTS}");
        }
        let _lock = Lock::take(Path::new(SUBNET_LOCK))?;
        let bridge = Self { name: id.to_owned(), subnet: free_subnet()? };
        ip(&["link", "add", &bridge.name, "type", "bridge"])?;
        let address = format!("{}/24", bridge.outside());
        ip(&["address", "add", &address, "dev", &bridge.name])?;
        ip(&["link", "set", &bridge.name, "up"])?;
        Ok(bridge)
    }

    /// This machine's address on the bridge.
    pub fn outside(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// Makes the namespace and the link of the host with this index.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn link(&self, index: usize) -> Result<Link> {
        let last = u8::try_from(FIRST_HOST + index).context("too many hosts")?;
        let link = Link {
            namespace: format!("{}-{index}", self.name),
            outer: format!("{}-{index}", self.name),
            address: self.address(last),
        };
        let inside = &link.namespace;
        ip(&["netns", "add", inside])?;
        ip(&["link", "add", &link.outer, "type", "veth", "peer", "name", "eth0", "netns", inside])?;
        ip(&["link", "set", &link.outer, "master", &self.name, "up"])?;
        let address = format!("{}/24", link.address);
        ip(&["-n", inside, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-n", inside, "link", "set", "lo", "up"])?;
        ip(&["-n", inside, "link", "set", "eth0", "up"])?;
        Ok(link)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(NETWORK[0], NETWORK[1], self.subnet, last)
    }
}

impl Link {
    /// Where the namespace can be opened.
    pub fn namespace_path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.namespace)
    }

    /// Plugs the cable in or pulls it: what is sent meanwhile is lost without an error.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn plug(&self, connected: bool) -> Result<()> {
        let state = if connected { "up" } else { "down" };
        ip(&["link", "set", &self.outer, state]).map(drop)
    }

    /// Holds all that goes to the host for so long; zero takes that away.
    ///
    /// # Errors
    /// The kernel has no netem, or `tc` failed.
    pub fn delay(&self, time: Duration) -> Result<()> {
        let device = ["dev", &self.outer, "root"];
        if time.is_zero() {
            let mut show = command("tc");
            show.args(["qdisc", "show"]).args(device);
            return match succeed(show)?.contains("netem") {
                true => tc(&["del"], &device, &[]),
                false => Ok(()),
            };
        }
        let held = format!("{}us", time.as_micros());
        tc(&["replace"], &device, &["netem", "limit", "100000", "delay", &held]).context(
            "a delay needs the kernel's netem (CONFIG_NET_SCH_NETEM, the module sch_netem)",
        )
    }
}

/// Removes all links and namespaces of a run. Nothing to do is fine.
///
/// # Errors
/// `ip` failed.
pub fn remove(id: &str) -> Result<()> {
    let ours =
        |name: &str| name == id || name.strip_prefix(id).is_some_and(|rest| rest.starts_with('-'));
    for line in ip(&["-oneline", "link", "show"])?.lines() {
        // "7: bt12ab34-0@if6: <BROADCAST,..."
        let name = line.split(": ").nth(1).unwrap_or_default();
        let name = name.split('@').next().unwrap_or_default();
        if ours(name) {
            ip(&["link", "delete", name])?;
        }
    }
    for line in ip(&["netns", "list"])?.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if ours(name) {
            ip(&["netns", "delete", name])?;
        }
    }
    Ok(())
}

fn tc(verb: &[&str], device: &[&str], what: &[&str]) -> Result<()> {
    let mut tc = command("tc");
    tc.arg("qdisc").args(verb).args(device).args(what);
    succeed(tc).map(drop)
}

fn free_subnet() -> Result<u8> {
    let [first, second] = NETWORK;
    let taken = ip(&["-4", "-oneline", "address", "show"])?
        + &ip(&["-4", "route", "show", "table", "all"])?;
    (0..=255)
        .find(|third| {
            !taken.contains(&format!(" {first}.{second}.{third}."))
                && !taken.contains(&format!("\n{first}.{second}.{third}."))
        })
        .with_context(|| format!("no free subnet in {first}.{second}.0.0/16"))
}
