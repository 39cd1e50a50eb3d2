//! `bookkeeper shell`: as 4.17.3 prints with the pattern that the agent gives it.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::tools::{Call, Ending},
    Model,
    cluster::SESSION_MS,
    conf::Conf,
    installed::METADATA,
    ledger::{Closing, Ledger, LedgerId},
};

/// Until Java has begun, and the metadata service has answered.
const START: Duration = Duration::from_millis(1_000);

/// What a command prints, and how it ends.
pub(super) struct Told {
    pub status: i32,
    out: String,
    err: String,
    /// Level, logger and message, for a program.
    parsed: bool,
}

impl Told {
    pub fn info(&mut self, class: &str, text: &str) {
        self.line("INFO", class, text);
    }

    /// The exit status is another matter.
    pub fn error(&mut self, class: &str, text: &str) {
        self.line("ERROR", class, text);
    }

    fn line(&mut self, level: &str, class: &str, text: &str) {
        let line = if self.parsed {
            format!("{level}|{class}|{text} {{}}\n")
        } else {
            format!("06:14:28,142 {level:<5} {text}\n")
        };
        self.out.push_str(&line);
    }

    pub fn ends(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    fn ending(self) -> Ending {
        Ending { status: self.status, stdout: self.out.into_bytes(), stderr: self.err.into_bytes() }
    }
}

/// Its words, without `shell`.
pub(super) struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn new(call: &'a Call) -> Self {
        Self(call.arguments.iter().skip(1).map(String::as_str).collect())
    }

    pub fn has(&self, option: &str) -> bool {
        self.0.contains(&option)
    }

    pub fn after(&self, option: &str) -> Option<&'a str> {
        self.0.iter().skip_while(|word| **word != option).nth(1).copied()
    }

    /// The last one, which is no option.
    pub fn last(&self) -> Option<&'a str> {
        self.0.last().copied().filter(|word| !word.starts_with('-'))
    }
}

/// Whether a run may change the cluster.
pub(super) fn changes(call: &Call) -> bool {
    let words = Words::new(call);
    match words.0.first().copied() {
        Some("recover") => !words.has("-q") && !words.has("-dr"),
        Some("decommissionbookie" | "cookie_delete" | "cookie_create" | "cookie_update") => true,
        Some("autorecovery") => words.has("-e") || words.has("-d"),
        Some(_) | None => false,
    }
}

fn begun(call: &Call) -> Told {
    let path = call.environment.get("BOOKIE_LOG_CONF").map(Utf8PathBuf::from);
    let bytes = path.and_then(|path| call.machine.disk(|d| d.bytes(&path).map(<[u8]>::to_vec)));
    let pattern = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let has = |word| pattern.as_ref().is_some_and(|pattern| pattern.contains(word));
    let mut told =
        Told { status: 0, out: String::new(), err: String::new(), parsed: has("%p|%c{1}|%m") };
    if has("ClientCnxn") {
        told.err.push_str(
            "INFO|ClientCnxn|Session establishment complete on server 10.0.0.100/10.0.0.100:2181 {}\n",
        );
    }
    told
}

impl Model {
    /// A command that ends by itself, or never.
    pub(super) async fn shell(&self, call: &Call) -> Ending {
        call.machine.sleep(START).await;
        let conf = call.environment.get("BOOKIE_CONF").map(Utf8PathBuf::from);
        let conf = conf.and_then(|path| Conf::read(&call.machine, &path));
        if conf.is_none_or(|conf| conf.metadata() != METADATA) {
            return Ending::bad(1, "Error initializing bookie shell\n");
        }
        if call.machine.world().is_cut(&call.machine.name) {
            let patience = u64::try_from(SESSION_MS).unwrap_or(0);
            call.machine.sleep(Duration::from_millis(patience)).await;
            let text = "ERROR|ZooKeeperClient|KeeperErrorCode = ConnectionLoss {}\n";
            return Ending::bad(255, text);
        }
        let words = Words::new(call);
        let told = match words.0.first().copied() {
            Some("recover") => self.recover(call, &words, begun(call)).await,
            Some("decommissionbookie") => self.decommission(call, &words, begun(call)).await,
            Some("listledgers") => self.list_ledgers(call, &words, begun(call)),
            Some("cookie_get" | "cookie_delete" | "cookie_create") => {
                return self.cookie(call, &words);
            }
            Some(word) => {
                return Ending::bad(255, format!("ERROR: Unknown command {word}\n"));
            }
            None => return Ending::bad(255, "Usage: bookkeeper shell\n"),
        };
        told.ending()
    }

    fn list_ledgers(&self, call: &Call, words: &Words<'_>, mut told: Told) -> Told {
        let mut state = self.state();
        state.go_on(call.machine.world().now_ms());
        let of = words.after("-bookieid");
        let named = |ledger: &Ledger| of.is_none_or(|bookie| ledger.names(bookie));
        for (id, ledger) in state.cluster.ledgers.iter().filter(|(_, ledger)| named(ledger)) {
            told.info("ListLedgersCommand", &format!("ledgerID: {id}"));
            if words.has("-m") || words.has("-meta") {
                told.info("ListLedgersCommand", &metadata(*id, ledger));
            }
        }
        told
    }

    fn cookie(&self, call: &Call, words: &Words<'_>) -> Ending {
        let verb = words.0.first().and_then(|word| word.strip_prefix("cookie_")).unwrap_or("");
        let Some(bookie) = words.last() else { return Ending::bad(255, "Usage\n") };
        let failed = |text: &str| {
            let told = format!("{text}\nFailed to process cookie command '{verb}'\n");
            Ending { status: 255, ..Ending::good(told) }
        };
        let mut state = self.state();
        state.go_on(call.machine.world().now_ms());
        let absent = format!("Cookie not found for bookie '{bookie}'");
        match verb {
            "get" => match state.cluster.cookies.get(bookie) {
                Some(text) => {
                    Ending::good(format!("Cookie for bookie '{bookie}' is:\n---\n{text}\n---\n"))
                }
                None => failed(&absent),
            },
            "delete" => {
                if state.delete_cookie(bookie) {
                    Ending::good("")
                } else {
                    failed(&absent)
                }
            }
            _ => {
                let path = words.after("-cf").map(Utf8Path::new).unwrap_or(Utf8Path::new(""));
                let text = call.machine.disk(|disk| disk.bytes(path).map(<[u8]>::to_vec));
                let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
                match text {
                    _ if state.cluster.cookies.contains_key(bookie) => {
                        failed(&format!("Cookie already exists for bookie '{bookie}'"))
                    }
                    Some(text) if text.starts_with("5\n") => {
                        state.cluster.cookies.insert(bookie.to_owned(), text);
                        Ending::good("")
                    }
                    Some(_) | None => failed(&format!("Failed to read cookie file {path}")),
                }
            }
        }
    }
}

fn metadata(id: LedgerId, ledger: &Ledger) -> String {
    let state = match ledger.closing {
        Closing::Open => "OPEN".to_owned(),
        Closing::Closed(entries) => {
            let last = i64::try_from(entries).unwrap_or(0) - 1;
            format!("CLOSED, length={}, lastEntryId={last}", ledger.length())
        }
    };
    let ensemble =
        |(first, bookies): (&u64, &Vec<String>)| format!("{first}=[{}]", bookies.join(", "));
    let ensembles: Vec<String> = ledger.ensembles.iter().map(ensemble).collect();
    format!(
        "LedgerMetadata{{formatVersion=3, ensembleSize={}, writeQuorumSize={}, ackQuorumSize={}, state={state}, digestType=CRC32C, password=base64:{}, ensembles={{{}}}, ledger={id}}}",
        ledger.ensemble,
        ledger.write_quorum,
        ledger.ack_quorum,
        super::http::PASSWORD,
        ensembles.join(", ")
    )
}
