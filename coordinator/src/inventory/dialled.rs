//! Where agents are dialled, and which are not.

use bellows_proto::v1::{Fault, HelloReply};

use super::{Inventory, revoked};
use crate::{agents::Addresses, clock::now_ms, store::HostRecord};

impl Inventory {
    pub(super) fn dialled(&self, host: &str) -> Option<HostRecord> {
        self.host(host).unwrap_or_else(|error| {
            tracing::error!(host, %error, "the inventory cannot be read");
            None
        })
    }
}

impl Addresses for Inventory {
    fn address(&self, host: &str) -> Option<String> {
        self.dialled(host).map(|record| record.address)
    }

    fn met(&self, host: &str, said: &HelloReply) {
        self.compare(host, said, now_ms());
    }

    fn forbidden(&self, host: &str) -> Option<Fault> {
        self.twins_fault(host)
    }

    fn refusal(&self, host: &str) -> Option<Fault> {
        let why = self.dialled(host)?.revocation?;
        Some(revoked(host, &why))
    }
}
