//! One HTTP/1.1 exchange with a real server: a connection of its own, closed afterwards. No proxy, no
//! redirect, no compression.

use std::{io, pin::pin};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::http::{Cause, HttpError, HttpReply, HttpRequest, REPLY_LIMIT};

/// The head of a reply may be so long, bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// Asks, and reads the whole reply.
///
/// # Errors
/// If nothing listens there, or there is no whole reply in time.
pub(super) async fn exchange(request: HttpRequest) -> Result<HttpReply, HttpError> {
    let deadline = request.deadline;
    let timed = tokio::time::timeout(deadline, attempt(&request)).await;
    timed.unwrap_or(Err(Cause::Deadline(deadline))).map_err(|cause| request.failed(cause))
}

async fn attempt(request: &HttpRequest) -> Result<HttpReply, Cause> {
    let stream = TcpStream::connect(request.address).await.map_err(|error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            Cause::Refused
        } else {
            Cause::Connection(error.to_string())
        }
    })?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_LIMIT);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let sent = prepared(request)?;
    let mut talk = pin!(async {
        let reply = sender.send_request(sent).await.map_err(|error| broken(&error))?;
        read(reply).await
    });
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        reply = &mut talk => return reply,
        // It has brought all that it will: what it could not is an error of the reply.
        _ = &mut connection => {}
    }
    talk.await
}

fn prepared(request: &HttpRequest) -> Result<Request<Full<Bytes>>, Cause> {
    let mut builder = Request::builder()
        .method(request.method.as_str())
        .uri(request.target.text())
        .header(header::HOST, request.address.to_string())
        .header(header::CONNECTION, "close")
        .header(header::ACCEPT_ENCODING, "identity");
    if !request.body.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    builder
        .body(Full::new(Bytes::from(request.body.clone())))
        .map_err(|error| Cause::Connection(format!("the request cannot be made: {error}")))
}

async fn read(reply: Response<Incoming>) -> Result<HttpReply, Cause> {
    let coded = reply.headers().get(header::CONTENT_ENCODING);
    if let Some(coded) = coded.filter(|coded| !coded.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Cause::Garbled(format!("its body is encoded as {coded:?}")));
    }
    let status = reply.status().as_u16();
    let collected = Limited::new(reply.into_body(), REPLY_LIMIT).collect().await;
    match collected {
        Ok(body) => Ok(HttpReply { status, body: body.to_bytes().to_vec() }),
        Err(error) if error.is::<LengthLimitError>() => Err(Cause::TooLongReply),
        Err(error) => Err(match error.downcast_ref::<hyper::Error>() {
            Some(error) => broken(error),
            None => Cause::Connection(error.to_string()),
        }),
    }
}

/// Where it is told apart: what came was no HTTP, or did not come whole.
fn broken(error: &hyper::Error) -> Cause {
    let mut text = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        text = format!("{text}: {source}");
    }
    if error.is_parse() { Cause::Garbled(text) } else { Cause::Connection(text) }
}
