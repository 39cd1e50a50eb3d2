//! What a test may turn: the only input that the real thing does not have. As a file it is `double.toml` beside the program.

use serde::{Deserialize, Serialize};

/// Settings of the double. Every key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// All times of the model are divided by this; 1 is the real pace. 0 counts as 1.
    pub pace: u32,
    /// The version that `kwbase version` and the column `build` show.
    pub version: String,
    /// How many ranges of time-series data a new cluster has, besides the system's.
    pub ranges: u32,
    /// How large each of these is, in bytes.
    pub range_bytes: u64,
    /// How much a node's store can hold, in bytes.
    pub capacity_bytes: u64,
    /// `node decommission` is refused as by the open-source builds before V2.2.1.
    pub enterprise_only: bool,
    /// Flags that this build does not know, without the dashes.
    pub without_flags: Vec<String>,
    /// Ranges of these ids never move, whatever is asked.
    pub never_move: Vec<u64>,
    /// The start of the chance in the model; same seed, same course.
    pub seed: u64,
    /// How long a job (`CREATE INDEX`) runs, in milliseconds at pace 1.
    pub job_ms: u32,
    /// The sums over `kv_store_status` are NULL (facts section 6: "in odd cases").
    pub health_null: bool,
    /// `node status` prints what is no table.
    pub status_garbage: bool,
    /// The server takes requests and never answers.
    pub hang: bool,
    /// `kwbase node upgrade` is under way on these nodes.
    pub upgrading: Vec<u32>,
    /// For programs without root: what stands before every absolute path that `deploy.sh` uses.
    pub root: String,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            pace: 1,
            version: "V3.1.0".to_owned(),
            ranges: 24,
            range_bytes: 32 << 20,
            capacity_bytes: 100 << 30,
            enterprise_only: false,
            without_flags: Vec::new(),
            never_move: Vec::new(),
            seed: 1,
            job_ms: 30_000,
            health_null: false,
            status_garbage: false,
            hang: false,
            upgrading: Vec::new(),
            root: String::new(),
        }
    }
}

impl Knobs {
    /// A length of time of the real thing, in milliseconds, at this pace; at least 1.
    #[must_use]
    pub fn span(&self, real_ms: i64) -> i64 {
        (real_ms / i64::from(self.pace.max(1))).max(1)
    }
}
