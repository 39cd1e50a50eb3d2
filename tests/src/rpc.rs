//! Calls to any RPC by its name, with any bytes: for tests that try all of them.

use anyhow::{Context, Result};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

/// The paths of all RPCs of a service, e.g. `/bellows.v1.Agent/Hello`.
///
/// # Errors
/// There is no such service.
pub fn paths(package: &str, service: &str) -> Result<Vec<String>> {
    let set =
        FileDescriptorSet::decode(bellows_proto::FILE_DESCRIPTOR_SET).context("descriptors")?;
    let found = set
        .file
        .iter()
        .filter(|file| file.package() == package)
        .flat_map(|file| &file.service)
        .find(|one| one.name() == service)
        .with_context(|| format!("no service {package}.{service}"))?;
    let paths = found.method.iter().map(|method| format!("/{package}.{service}/{}", method.name()));
    Ok(paths.collect())
}

/// Calls an RPC with an empty message; says how it answered. A stream is read up to its first
/// message.
///
/// # Errors
/// The path is none, or the channel is broken before anything was sent.
pub async fn call(channel: &Channel, path: &str) -> Result<Code> {
    let mut grpc = Grpc::new(channel.clone());
    if let Err(error) = grpc.ready().await {
        return Ok(Status::from_error(Box::new(error)).code());
    }
    let path: PathAndQuery = path.parse().context("path of an RPC")?;
    let request = Request::new(Vec::new());
    // Every unary RPC is a stream of one on the wire.
    let code = match grpc.server_streaming(request, path, Raw).await {
        Err(status) => status.code(),
        Ok(answer) => match answer.into_inner().message().await {
            Ok(_) => Code::Ok,
            Err(status) => status.code(),
        },
    };
    Ok(code)
}

/// Bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
