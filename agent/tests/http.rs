//! The HTTP edge against a server that says what the test wants, over real connections.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bellows_agent::{
    config::{self},
    exec::Finished,
    facilities::{Local, Runner as _},
    host::{
        Host as _, HttpError, HttpReply, HttpRequest, RealHost, SystemClock,
        http::{BODY_LIMIT, Cause, REPLY_LIMIT, Target},
    },
    tools::{JobContext, QueryContext, Recorder},
};
use bellows_proto::v1::{Fault, FaultCode, Progress, ToolRun};
use camino::Utf8Path;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

/// Longer than any good exchange takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// Takes one connection, reads the whole request, says `reply`, and then closes, or hangs.
async fn server(reply: Vec<u8>, hangs: bool) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
        while !is_whole(&heard) {
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the request ended too early");
            heard.extend_from_slice(&buffer[..read]);
        }
        // Whoever has heard enough hangs up.
        let _ = stream.write_all(&reply).await;
        if hangs {
            std::future::pending::<()>().await;
        }
        String::from_utf8(heard).unwrap()
    });
    (address, serving)
}

fn is_whole(heard: &[u8]) -> bool {
    let text = String::from_utf8_lossy(heard).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}

fn host() -> RealHost {
    RealHost::new(env!("CARGO_BIN_EXE_bellows-agent"))
}

fn target() -> Target {
    Target::new("/api/v1/state").query("type", "a b")
}

async fn said(reply: impl Into<Vec<u8>>) -> Result<HttpReply, HttpError> {
    let (address, _serving) = server(reply.into(), false).await;
    host().http(HttpRequest::get(address, target(), LONG)).await
}

async fn cause(reply: impl Into<Vec<u8>>) -> Cause {
    said(reply).await.unwrap_err().cause
}

#[tokio::test]
async fn a_request_is_what_was_asked_for_and_the_reply_comes_whole() {
    let (address, serving) =
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into(), false).await;
    let body = br#"{"readOnly":true}"#.to_vec();
    let reply = host().http(HttpRequest::put(address, target(), body, LONG)).await.unwrap();
    assert_eq!(reply, HttpReply { status: 200, body: b"ok".into() });
    let heard = serving.await.unwrap();
    assert!(heard.starts_with("PUT /api/v1/state?type=a%20b HTTP/1.1\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n{\"readOnly\":true}"), "{heard}");
    let lower = heard.to_ascii_lowercase();
    for line in [&format!("host: {address}"), "connection: close", "accept-encoding: identity"] {
        assert!(lower.contains(&format!("{line}\r\n")), "{line} is not in {heard}");
    }
}

#[tokio::test]
async fn every_form_of_a_body_is_read() {
    let body = |reply: &HttpReply| String::from_utf8(reply.body.clone()).unwrap();
    let chunked = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nNo \r\n6\r\nledger\r\n0\r\n\r\n";
    let reply = said(chunked).await.unwrap();
    assert_eq!((reply.status, body(&reply).as_str()), (404, "No ledger"));
    let to_the_end = said("HTTP/1.0 200 OK\r\n\r\nuntil it closes").await.unwrap();
    assert_eq!(body(&to_the_end), "until it closes");
    let nothing = said("HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!((nothing.status, body(&nothing).as_str()), (204, ""));
}

#[tokio::test]
async fn a_redirect_is_a_reply_and_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = elsewhere.local_addr().unwrap();
    let reply = said(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{location}/\r\nContent-Length: 0\r\n\r\n"
    ))
    .await
    .unwrap();
    assert_eq!(reply.status, 302);
    let followed = tokio::time::timeout(Duration::from_millis(200), elsewhere.accept()).await;
    assert!(followed.is_err(), "it went to the other place");
}

#[tokio::test]
async fn what_is_no_whole_reply_says_why() {
    let long = "x".repeat(REPLY_LIMIT);
    let whole = said(format!("HTTP/1.1 200 OK\r\n\r\n{long}")).await.unwrap();
    assert_eq!(whole.body.len(), REPLY_LIMIT);
    let told =
        cause(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}x", REPLY_LIMIT + 1))
            .await;
    assert!(matches!(told, Cause::TooLongReply), "{told}");
    let untold = cause(format!("HTTP/1.1 200 OK\r\n\r\n{long}x")).await;
    assert!(matches!(untold, Cause::TooLongReply), "{untold}");
    let garbage = cause("SSH-2.0-OpenSSH_9.2p1\r\n").await;
    assert!(matches!(garbage, Cause::Garbled(_)), "{garbage}");
    let packed =
        cause("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx").await;
    assert!(matches!(packed, Cause::Garbled(_)), "{packed}");
    for short in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
        let told = cause(short).await;
        assert!(matches!(told, Cause::Connection(_)), "{told}");
    }
    let head = cause(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(400_000))).await;
    assert!(matches!(head, Cause::Garbled(_) | Cause::Connection(_)), "{head}");
}

#[tokio::test]
async fn the_deadline_is_of_the_whole_exchange() {
    for reply in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
        let (address, serving) = server(reply.into(), true).await;
        let limit = Duration::from_millis(300);
        let error = host().http(HttpRequest::get(address, target(), limit)).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Deadline(given) if given == limit), "{error}");
        assert_eq!(Fault::from(error).code(), FaultCode::Deadline);
        serving.abort();
    }
}

#[tokio::test]
async fn nothing_is_sent_to_others_and_a_refusal_is_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = host().http(HttpRequest::get(closed, target(), LONG)).await.unwrap_err();
    assert!(matches!(refused.cause, Cause::Refused), "{refused}");
    assert_eq!(
        refused.to_string(),
        format!("GET http://{closed}/api/v1/state?type=a%20b: nothing listens there")
    );
    for foreign in ["192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "[::ffff:192.0.2.1]:80"] {
        let request = HttpRequest::get(foreign.parse().unwrap(), target(), LONG);
        let error = host().http(request).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Foreign), "{error}");
        assert_eq!(Fault::from(error).code(), FaultCode::Denied);
    }
    let body = vec![0; BODY_LIMIT + 1];
    let long = host().http(HttpRequest::put(closed, target(), body, LONG)).await.unwrap_err();
    assert!(matches!(long.cause, Cause::TooLongBody), "{long}");
}

#[derive(Default)]
struct Runs {
    runs: Mutex<Vec<ToolRun>>,
    output: Mutex<Vec<u8>>,
}

impl Recorder for Runs {
    fn tool_started(&self, run: ToolRun) -> usize {
        let mut runs = self.runs.lock().unwrap();
        runs.push(run);
        runs.len() - 1
    }

    fn tool_ended(&self, place: usize, at: i64, finished: Option<&Finished>, output: [u8; 32]) {
        assert_eq!(finished, None);
        let run = &mut self.runs.lock().unwrap()[place];
        (run.ended_at_ms, run.output_digest) = (at, output.to_vec());
    }

    fn output(&self, bytes: &[u8]) {
        self.output.lock().unwrap().extend_from_slice(bytes);
    }

    fn progress(&self, _: Progress) {}
}

fn local(folder: &Utf8Path) -> Local {
    let text = format!(
        "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\ndata_dir = \"{folder}\"\n\
         runtime_dir = \"/dev/shm/bellows-none\"\nlaunch = \"process\"\n"
    );
    let config = config::parse(&folder.join("agent.toml"), &text).unwrap();
    Local {
        host: Arc::new(host()),
        clock: Arc::new(SystemClock),
        form: config.agent.launch.resolve(),
        config: Arc::new(config),
        own_program: env!("CARGO_BIN_EXE_bellows-agent").into(),
        versions: Arc::default(),
        sudo: Arc::default(),
    }
}

#[tokio::test]
async fn a_job_records_what_it_changes_and_ends_when_it_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let local = local(Utf8Path::from_path(folder.path()).unwrap());
    let (runs, cancel) = (Arc::new(Runs::default()), CancellationToken::new());
    let recorder = Arc::clone(&runs) as Arc<dyn Recorder>;
    let job = JobContext::new(local, "o/1/1".into(), "o".into(), cancel.clone(), recorder);

    let (address, _) = server(b"HTTP/1.1 200 OK\r\n\r\nread".into(), false).await;
    job.http(HttpRequest::get(address, target(), LONG)).await.unwrap();
    assert!(runs.runs.lock().unwrap().is_empty(), "a reading is not recorded");

    let (address, _) = server(b"HTTP/1.1 500 Oh\r\n\r\nno".into(), false).await;
    let put = HttpRequest::put(address, target(), b"body".into(), LONG);
    let command = put.command();
    assert_eq!(job.http(put).await.unwrap().status, 500);
    {
        let runs = runs.runs.lock().unwrap();
        assert_eq!((runs.len(), &runs[0].command), (1, &command));
        assert_eq!(runs[0].output_digest, Sha256::digest(b"no").to_vec());
        assert!(runs[0].exit_status.is_none() && runs[0].ended_at_ms >= runs[0].started_at_ms);
    }
    let output = String::from_utf8(runs.output.lock().unwrap().clone()).unwrap();
    assert_eq!(output, format!("{}: HTTP status 500\nno\n", command.join(" ")));

    let (address, serving) = server(Vec::new(), true).await;
    let ending = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancel.cancel();
    };
    let delete = job.http(HttpRequest::delete(address, target(), LONG));
    let (error, ()) = tokio::join!(delete, ending);
    assert!(matches!(error.unwrap_err().cause, Cause::Cancelled));
    assert!(runs.runs.lock().unwrap()[1].ended_at_ms > 0, "the record has its end");
    serving.abort();
}

#[tokio::test]
async fn a_query_has_no_longer_than_its_own_time() {
    let folder = tempfile::tempdir().unwrap();
    let local = local(Utf8Path::from_path(folder.path()).unwrap());
    let (address, serving) = server(Vec::new(), true).await;
    let limit = Duration::from_millis(200);
    let query = QueryContext::new(local, limit);
    let error = query.http(HttpRequest::get(address, target(), LONG)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Deadline(given) if given == limit), "{error}");
    serving.abort();
}
