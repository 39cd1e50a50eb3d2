//! Hosts of the testbed for a person: `make hosts` leaves them up, `make hosts-down` takes down just these. A keeper in
//! the background holds them, as a test does, and does what it is told at a socket; when it is killed, they are what any
//! killed run leaves behind.

mod call;
mod keep;

use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub use call::{down, tell, up};
pub use keep::keep;

use crate::testbed;

/// What can be done to hosts that are up. A place is a host's name, or `outside` for this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Names, addresses, and how to log in.
    Status,
    /// Cut two places apart: nothing comes through, and nobody is told.
    Cut {
        /// A host, or `outside`.
        one: String,
        /// A host, or `outside`.
        other: String,
    },
    /// Heal such a cut.
    Heal {
        /// A host, or `outside`.
        one: String,
        /// A host, or `outside`.
        other: String,
    },
    /// Pull a host's network cable.
    Unplug {
        /// The host.
        host: String,
    },
    /// Plug it in again.
    Plug {
        /// The host.
        host: String,
    },
    /// End everything on a host at once.
    PowerCut {
        /// The host.
        host: String,
    },
    /// Switch on a host that is off.
    Boot {
        /// The host.
        host: String,
    },
    /// Let all that is sent to a host arrive later.
    Delay {
        /// The host.
        host: String,
        /// How much, in milliseconds; 0: at once.
        ms: u32,
    },
    /// Mount a small file system over a folder of a host; a power cut takes it away.
    Disk {
        /// The host.
        host: String,
        /// The folder.
        folder: String,
        /// Its size in MiB.
        #[arg(value_parser = clap::value_parser!(u32).range(1..=65536))]
        mib: u32,
    },
    /// Fill such a file system to its last byte.
    Fill {
        /// The host.
        host: String,
        /// The folder.
        folder: String,
    },
    /// Make room in it again.
    Free {
        /// The host.
        host: String,
        /// The folder.
        folder: String,
    },
    /// Take all of them down.
    #[command(skip)]
    Down,
}

/// What the keeper answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Reply {
    Done(String),
    Failed(String),
}

/// The files of one set of hosts, beside the base tree.
struct Place {
    socket: PathBuf,
    /// Held by the keeper as long as it lives.
    lock: PathBuf,
    log: PathBuf,
}

impl Place {
    fn of(name: &str) -> Result<Self> {
        let cache = testbed::cache()?;
        let file = |ending: &str| cache.join(format!("{name}.{ending}"));
        Ok(Self { socket: file("sock"), lock: file("lock"), log: file("log") })
    }
}
