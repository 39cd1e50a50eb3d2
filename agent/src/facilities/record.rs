//! Records on disk: a format byte, then a protobuf message.

use bellows_proto::v1::{Fault, FaultCode};
use camino::Utf8Path;
use prost::Message;

use crate::host::{Access, Host};

/// The only format so far.
const FORMAT: u8 = 1;
/// A record is small; a longer file is not one.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Writes a record, durably.
///
/// # Errors
/// If the disk fails.
pub fn write<M: Message>(host: &dyn Host, path: &Utf8Path, message: &M) -> Result<(), Fault> {
    let mut bytes = vec![FORMAT];
    bytes.extend(message.encode_to_vec());
    Ok(host.write(path, &bytes, &Access::PRIVATE)?)
}

/// Writes a record that is not there yet, durably; `false`: one is there already.
///
/// # Errors
/// If the disk fails.
pub fn create<M: Message>(host: &dyn Host, path: &Utf8Path, message: &M) -> Result<bool, Fault> {
    let mut bytes = vec![FORMAT];
    bytes.extend(message.encode_to_vec());
    Ok(host.create(path, &bytes, &Access::PRIVATE)?)
}

/// Reads a record; `None`: there is none.
///
/// # Errors
/// If it cannot be read, is damaged, or was written by a newer agent.
pub fn read<M: Message + Default>(host: &dyn Host, path: &Utf8Path) -> Result<Option<M>, Fault> {
    let Some(bytes) = host.read(path, LIMIT)? else {
        return Ok(None);
    };
    match bytes.split_first() {
        Some((&FORMAT, body)) => {
            M::decode(body).map(Some).map_err(|error| damaged(path, &error.to_string()))
        }
        Some((other, _)) => Err(damaged(path, &format!("format {other} is not known"))),
        None => Err(damaged(path, "it is empty")),
    }
}

fn damaged(path: &Utf8Path, reason: &str) -> Fault {
    Fault::new(FaultCode::Io, format!("the record {path} cannot be used: {reason}"))
        .remedy("was this agent downgraded, or the disk damaged? Keep the file and ask for help")
}
