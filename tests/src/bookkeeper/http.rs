//! A bookie's HTTP API, by hand: not with the code that is tested.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A call takes milliseconds; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// e.g. 200.
    pub status: u16,
    /// As it came.
    pub body: String,
}

/// `GET`. `at`: ADDRESS:PORT.
///
/// # Errors
/// Nobody answers.
pub async fn get(at: &str, path: &str) -> Result<Reply> {
    call(at, "GET", path, "").await
}

/// `PUT` with a body.
///
/// # Errors
/// Nobody answers.
pub async fn put(at: &str, path: &str, body: &str) -> Result<Reply> {
    call(at, "PUT", path, body).await
}

async fn call(at: &str, method: &str, path: &str, body: &str) -> Result<Reply> {
    let what = || format!("{method} http://{at}{path}");
    tokio::time::timeout(LIMIT, exchange(at, method, path, body))
        .await
        .with_context(what)?
        .with_context(what)
}

async fn exchange(at: &str, method: &str, path: &str, body: &str) -> Result<Reply> {
    let mut stream = TcpStream::connect(at).await?;
    // HTTP/1.0: no chunks, and the end of the connection ends the answer.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {at}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    let status = head.split(' ').nth(1).context("no status")?.parse().context("status")?;
    Ok(Reply { status, body: body.to_owned() })
}
