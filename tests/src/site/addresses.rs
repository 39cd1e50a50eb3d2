//! Loopback addresses of a run: a network 127.63.X.0/24 that no other run has.

use std::net::TcpListener;

use anyhow::{Context, Result, bail};

/// Whoever listens here owns the network.
const OWNER: (u8, u16) = (254, 7499);
/// The coordinator's last number.
const COORDINATOR: u8 = 250;

/// The network of a run, ours until dropped.
#[derive(Debug)]
pub struct Addresses {
    network: u8,
    _owner: TcpListener,
}

impl Addresses {
    /// Finds a network that nobody owns and nobody listens in.
    ///
    /// # Errors
    /// There is none, or more hosts are wanted than a network has room for.
    pub fn take(hosts: usize) -> Result<Self> {
        if hosts >= usize::from(COORDINATOR) {
            bail!("{hosts} hosts are too many for one network");
        }
        let mut random = [0; 1];
        getrandom::fill(&mut random).context("random bytes")?;
        let [first] = random;
        for step in 0..=255 {
            let network = first.wrapping_add(step);
            let (last, port) = OWNER;
            if listens_in(network) {
                continue;
            }
            if let Ok(owner) = TcpListener::bind((format!("127.63.{network}.{last}"), port)) {
                return Ok(Self { network, _owner: owner });
            }
        }
        bail!("no free network in 127.63.0.0/16")
    }

    /// The address of a host, from 0.
    ///
    /// # Errors
    /// There is no such host.
    pub fn host(&self, index: usize) -> Result<String> {
        let last = u8::try_from(index + 1).context("number of a host")?;
        Ok(format!("127.63.{}.{last}", self.network))
    }

    /// The coordinator's address.
    pub fn coordinator(&self) -> String {
        format!("127.63.{}.{COORDINATOR}", self.network)
    }
}

/// Whether anybody listens on an address of the network.
fn listens_in(network: u8) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    // Local addresses are hexadecimal, least significant byte first: LL.NN.3F.7F.
    let middle = format!("{network:02X}3F7F:");
    table.lines().skip(1).any(|line| {
        line.split_whitespace().nth(1).is_some_and(|local| local.get(2..9) == Some(middle.as_str()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_runs_have_two_networks() {
        let (a, b) = (Addresses::take(5).unwrap(), Addresses::take(5).unwrap());
        assert_ne!(a.network, b.network);
        assert!(listens_in(a.network));
        assert_eq!(a.host(2).unwrap(), format!("127.63.{}.3", a.network));
    }
}
