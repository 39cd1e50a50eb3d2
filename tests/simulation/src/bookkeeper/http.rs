//! A bookie's HTTP admin API, in the words of 4.17.3 (`agent/tests/bookkeeper_samples`).

use std::{collections::BTreeSet, time::Duration};

use bellows_agent::host::{HttpError, HttpReply, http::Method};

use super::{
    super::tools::HttpCall,
    Model,
    cluster::Cluster,
    cookies,
    ledger::{Closing, Ledger, LedgerId, Store},
};

/// Until an answer is there.
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Of every bookie's disk, bytes.
pub(super) const DISK: u64 = 100_000_000_000;
/// Ledgers on one page.
const PAGE: usize = 100;
/// Base64, of a client's: nobody must ever see it.
pub(super) const PASSWORD: &str = "bmV2ZXItdG8tYmUtc2Vlbg==";

/// Status and body.
type Reply = (u16, String);

/// What is asked.
struct Asked<'a> {
    path: &'a str,
    query: Vec<(&'a str, String)>,
}

impl<'a> Asked<'a> {
    fn new(target: &'a str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let plain = |text: &str| text.replace("%3A", ":").replace("%3a", ":");
        Self { path, query: pairs.map(|(key, value)| (key, plain(value))).collect() }
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.value(key) == Some(value)
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| *own == key).map(|(_, value)| value.as_str())
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.value(key).and_then(|text| text.parse().ok())
    }
}

fn good(body: impl Into<String>) -> Reply {
    (200, body.into())
}

/// As the real one prints an object.
fn object(fields: impl IntoIterator<Item = (String, String)>) -> String {
    let lines = fields.into_iter().map(|(key, value)| format!("  \"{key}\" : {value}"));
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "{ }".to_owned() } else { format!("{{\n{}\n}}", lines.join(",\n")) }
}

fn fields<const N: usize>(pairs: [(&str, String); N]) -> String {
    object(pairs.map(|(key, value)| (key.to_owned(), value)))
}

/// It can be told without the metadata service.
fn is_own(path: &str) -> bool {
    matches!(
        path,
        "/metrics" | "/api/v1/bookie/state" | "/api/v1/bookie/info" | "/api/v1/bookie/is_ready"
    )
}

/// What a bookie says of itself; `None`: it is not asked for that.
fn of_itself(cluster: &Cluster, bookie: &str, path: &str) -> Option<Reply> {
    let server = cluster.servers.get(bookie)?;
    let free = || DISK - cluster.stores.get(bookie).map_or(0, Store::bytes);
    Some(good(match path {
        "/api/v1/bookie/state" => fields([
            ("running", "true".to_owned()),
            ("readOnly", server.read_only.to_string()),
            ("shuttingDown", "false".to_owned()),
            ("availableForHighPriorityWrites", "true".to_owned()),
        ]),
        "/api/v1/bookie/state/readonly" => fields([("readOnly", server.read_only.to_string())]),
        "/api/v1/bookie/info" => {
            fields([("freeSpace", free().to_string()), ("totalSpace", DISK.to_string())])
        }
        "/api/v1/bookie/is_ready" => "OK\n".to_owned(),
        "/metrics" => metrics(cluster, bookie),
        _ => return None,
    }))
}

/// Its statistics: of them only what tells that an audit has ended, and that at the auditor alone.
fn metrics(cluster: &Cluster, bookie: &str) -> String {
    let ended = match &cluster.auditor {
        Some(auditor) if auditor == bookie => cluster.audits,
        Some(_) | None => 0,
    };
    let name = "replication_auditor_AUDIT_BOOKIES_TIME";
    format!(
        "# TYPE {name} summary\n{name}_count{{success=\"false\"}} 0\n{name}_count{{success=\"true\"}} {ended}\n"
    )
}

/// What it says of the cluster; `None`: there is nothing there.
fn of_cluster(cluster: &Cluster, asked: &Asked<'_>) -> Option<Reply> {
    let count = |number: usize| number.to_string();
    Some(match asked.path {
        "/api/v1/bookie/list_bookies" => {
            let bookies = cluster.bookies(asked.is("type", "ro"));
            good(object(bookies.into_iter().map(|id| (id.clone(), "null".to_owned()))))
        }
        "/api/v1/bookie/cluster_info" => {
            let gone = cluster.cookies.keys().filter(|id| !cluster.registered.contains_key(*id));
            let auditor = cluster.auditor.as_ref();
            good(fields([
                ("auditorElected", auditor.is_some().to_string()),
                ("auditorId", format!("\"{}\"", auditor.map_or("", String::as_str))),
                ("clusterUnderReplicated", (!cluster.marked.is_empty()).to_string()),
                ("ledgerReplicationEnabled", cluster.autorecovery.to_string()),
                ("totalBookiesCount", count(cluster.cookies.len())),
                ("writableBookiesCount", count(cluster.bookies(false).len())),
                ("readonlyBookiesCount", count(cluster.bookies(true).len())),
                ("unavailableBookiesCount", count(gone.count())),
            ]))
        }
        "/api/v1/autorecovery/status" => {
            good(fields([("enabled", cluster.autorecovery.to_string())]))
        }
        "/api/v1/autorecovery/who_is_auditor" => match &cluster.auditor {
            Some(auditor) => good(format!("Auditor: {auditor}")),
            None => (404, "No auditor elected".to_owned()),
        },
        "/api/v1/autorecovery/lost_bookie_recovery_delay" => {
            good("lostBookieRecoveryDelay value: 0")
        }
        "/api/v1/autorecovery/list_under_replicated_ledger" => underreplicated(cluster, asked),
        "/api/v1/ledger/list" => ledgers(cluster, asked),
        "/api/v1/ledger/metadata" => {
            let id = asked.number("ledger_id");
            match id.and_then(|id| Some((id, cluster.ledgers.get(&id)?))) {
                Some((id, ledger)) => good(object([(id.to_string(), metadata(id, ledger))])),
                None => (500, "Internal Server Error".to_owned()),
            }
        }
        _ => return None,
    })
}

fn underreplicated(cluster: &Cluster, asked: &Asked<'_>) -> Reply {
    let missing = |id: &LedgerId| -> BTreeSet<&String> {
        cluster.marked.get(id).map(|mark| mark.missing.iter().collect()).unwrap_or_default()
    };
    let has = |id: &LedgerId, key| {
        asked.value(key).map(|bookie| missing(id).iter().any(|own| *own == bookie))
    };
    let wanted = |id: &&LedgerId| {
        has(id, "missingreplica") != Some(false) && has(id, "excludingmissingreplica") != Some(true)
    };
    let wanted: Vec<&LedgerId> = cluster.marked.keys().filter(wanted).collect();
    if wanted.is_empty() {
        return (404, "No under replicated ledgers found".to_owned());
    }
    if asked.is("printmissingreplica", "true") {
        let row = |id: &&LedgerId| format!("\"{id}\":{:?}", missing(id));
        let rows: Vec<String> = wanted.iter().map(row).collect();
        return good(format!("{{{}}}", rows.join(",").replace('{', "[").replace('}', "]")));
    }
    let numbers: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    good(format!("[ {} ]", numbers.join(", ")))
}

fn ledgers(cluster: &Cluster, asked: &Asked<'_>) -> Reply {
    let page = asked.number("page").and_then(|page| usize::try_from(page).ok());
    let skipped = page.map_or(0, |page| page.saturating_sub(1) * PAGE);
    let many = page.map_or(usize::MAX, |_| PAGE);
    let told = |id: LedgerId, ledger: &Ledger| match asked.is("print_metadata", "true") {
        true if asked.is("decode_meta", "true") => metadata(id, ledger),
        true => "\"BookieMetadataFormatVersion\\t3\\n\u{fffd}\"".to_owned(),
        false => "null".to_owned(),
    };
    let all = cluster.ledgers.iter().skip(skipped).take(many);
    good(object(all.map(|(id, ledger)| (id.to_string(), told(*id, ledger)))))
}

/// A ledger's metadata, with its password.
fn metadata(id: LedgerId, ledger: &Ledger) -> String {
    let (state, last) = match ledger.closing {
        Closing::Open => ("OPEN", -1),
        Closing::Closed(entries) => ("CLOSED", i64::try_from(entries).unwrap_or(0) - 1),
    };
    let named = |id: &String| format!("{{ \"id\" : \"{id}\" }}");
    let ensembles = ledger.ensembles.iter().map(|(first, bookies)| {
        let bookies: Vec<String> = bookies.iter().map(named).collect();
        (first.to_string(), format!("[ {} ]", bookies.join(", ")))
    });
    fields([
        ("ledgerId", id.to_string()),
        ("metadataFormatVersion", "3".to_owned()),
        ("ensembleSize", ledger.ensemble.to_string()),
        ("writeQuorumSize", ledger.write_quorum.to_string()),
        ("ackQuorumSize", ledger.ack_quorum.to_string()),
        ("state", format!("\"{state}\"")),
        ("length", ledger.length().to_string()),
        ("lastEntryId", last.to_string()),
        ("ctime", ledger.made_ms.to_string()),
        ("digestType", "\"CRC32C\"".to_owned()),
        ("password", format!("\"{PASSWORD}\"")),
        ("customMetadata", "{ }".to_owned()),
        ("closed", (ledger.closing != Closing::Open).to_string()),
        ("allEnsembles", object(ensembles)),
        ("ctoken", "0".to_owned()),
    ])
}

impl Model {
    /// One request to the bookie that listens there.
    pub(super) async fn exchange(&self, call: HttpCall) -> Result<HttpReply, HttpError> {
        call.machine.sleep(ROUND_TRIP).await;
        let target = call.request.target.text();
        let asked = Asked::new(&target);
        let cut = call.machine.world().is_cut(&call.machine.name);
        let sets_itself = asked.path == "/api/v1/bookie/state/readonly";
        if cut && !is_own(asked.path) && !sets_itself {
            // It waits for the metadata service.
            return std::future::pending().await;
        }
        let (status, body) = match call.request.method {
            Method::Get => self.read(&call, &asked),
            Method::Put => self.change(&call, &asked),
            Method::Delete => (404, "Not found method. Should be GET method".to_owned()),
        };
        Ok(HttpReply { status, body: body.into_bytes() })
    }

    fn read(&self, call: &HttpCall, asked: &Asked<'_>) -> Reply {
        let mut state = self.state();
        state.go_on(call.machine.world().now_ms());
        let port = call.request.address.port();
        let bookie = state.at(&call.machine, port).map(|server| server.bookie.clone());
        let own = bookie.and_then(|bookie| of_itself(&state.cluster, &bookie, asked.path));
        own.or_else(|| of_cluster(&state.cluster, asked)).unwrap_or_else(nothing)
    }

    fn change(&self, call: &HttpCall, asked: &Asked<'_>) -> Reply {
        let mut state = self.state();
        state.go_on(call.machine.world().now_ms());
        match asked.path {
            "/api/v1/bookie/state/readonly" => {
                let read_only = match word(&call.request.body, "readOnly") {
                    Some("true") => true,
                    Some("false") => false,
                    Some(_) | None => return (500, "Internal Server Error".to_owned()),
                };
                let Some(server) = state.at(&call.machine, call.request.address.port()).cloned()
                else {
                    return nothing();
                };
                cookies::remember(&call.machine, &server.conf, read_only);
                state.cluster.set_read_only(&server.bookie, read_only);
                good(fields([("readOnly", read_only.to_string())]))
            }
            "/api/v1/autorecovery/status" => match asked.value("enabled") {
                Some(word @ ("true" | "false")) => {
                    state.cluster.switch(word == "true");
                    good(fields([("enabled", word.to_owned())]))
                }
                Some(_) | None => (500, "Internal Server Error".to_owned()),
            },
            "/api/v1/autorecovery/trigger_audit" => match state.cluster.ask_for_audit() {
                Ok(()) => good("Success trigger audit."),
                Err(why) => (404, format!("Exception when do operation.{why}")),
            },
            path if of_cluster(&state.cluster, &Asked::new(path)).is_some() => {
                (404, "Not found method. Should be GET method".to_owned())
            }
            _ => nothing(),
        }
    }
}

fn nothing() -> Reply {
    (404, "<html><body><h1>Resource not found</h1></body></html>".to_owned())
}

/// The word behind a key of a small object.
fn word<'a>(body: &'a [u8], key: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    let after = text.split_once(&format!("\"{key}\""))?.1.trim_start().strip_prefix(':')?;
    after.split([',', '}']).next().map(str::trim)
}
