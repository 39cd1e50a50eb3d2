//! The keys of a bookie's configuration that another bookie may take over, each with the form of its value, and those that are
//! a host's own. What is in neither list is not taken over. No key of a password, of a secret or of a path is in it.
//!
//! Source: `conf/bk_server.conf` and `ServerConfiguration` of BookKeeper 4.16 to 4.18.

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `true` or `false`.
    Switch,
    /// A whole number, -1 where the tool takes it for none.
    Number,
    /// 0 to 1, as a decimal.
    Fraction,
    /// A decimal number.
    Decimal,
    /// Name of a Java class.
    Class,
    /// Letters, digits, `.`, `_`, `-`: a name of an interface, a policy, a kind.
    Word,
    /// Where the cluster's metadata are; without a user in it.
    Uri,
}

impl Form {
    /// Whether a value has the form. None of them can end a line or begin another key.
    pub fn fits(self, value: &str) -> bool {
        let all = |allowed: &str| {
            let quiet = |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
            !value.is_empty() && value.len() <= 1000 && value.chars().all(quiet)
        };
        let decimal = || all("-.").then(|| value.parse::<f64>().ok()).flatten();
        match self {
            Self::Switch => matches!(value, "true" | "false"),
            Self::Number => value.parse::<i64>().is_ok_and(|number| number >= -1),
            Self::Fraction => decimal().is_some_and(|number| (0.0..=1.0).contains(&number)),
            Self::Decimal => decimal().is_some_and(f64::is_finite),
            Self::Class => all("._$") && value.starts_with(|c: char| c.is_ascii_alphabetic()),
            Self::Word => all("._-") && !value.starts_with('-'),
            Self::Uri => all("+:/.;,_-[]") && value.contains(':'),
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Number => "a whole number",
            Self::Fraction => "a number from 0 to 1",
            Self::Decimal => "a number",
            Self::Class => "the name of a class",
            Self::Word => "a plain word",
            Self::Uri => "the address of a metadata service",
        }
    }
}

/// The form of a key that another bookie may take over; `None`: it may not.
pub fn form(key: &str) -> Option<Form> {
    TAKEN.iter().find(|(_, keys)| keys.contains(&key)).map(|(form, _)| *form)
}

/// Whether a key is each host's own, or stands for one that is.
pub fn is_own(key: &str) -> bool {
    OWN.contains(&key)
}

/// Written for each bookie by its own host.
const OWN: &[&str] = &[
    "advertisedAddress",
    "bookieId",
    "bookiePort",
    "httpServerEnabled",
    "httpServerHost",
    "httpServerPort",
    "indexDirectories",
    "journalDirectories",
    "journalDirectory",
    "ledgerDirectories",
    // Its former name for metadataServiceUri.
    "zkLedgersRootPath",
    "zkServers",
];

const TAKEN: &[(Form, &[&str])] = &[
    (Form::Uri, &["metadataServiceUri"]),
    (
        Form::Switch,
        &[
            "allowEphemeralPorts",
            "allowLoopback",
            "allowMultipleDirsUnderSameDiskPartition",
            "autoRecoveryDaemonEnabled",
            "closeChannelOnResponseTimeout",
            "enableBusyWait",
            "enableStatistics",
            "enforceMinNumRacksPerWriteQuorum",
            "entryLogFilePreallocationEnabled",
            "entryLogPerLedgerEnabled",
            "gcEntryLogMetadataCacheEnabled",
            "isForceGCAllowWhenNoSpace",
            "isThrottleByBytes",
            "journalAdaptiveGroupWrites",
            "journalFlushWhenQueueEmpty",
            "journalRemoveFromPageCache",
            "journalReuseFiles",
            "journalSyncData",
            "journalWriteData",
            "limitStatsLogging",
            "persistBookieStatusEnabled",
            "prometheusStatsHttpEnable",
            "readOnlyModeEnabled",
            "readOnlyModeOnAnyDiskFullEnabled",
            "readWorkerThreadsThrottlingEnabled",
            "serverSockKeepalive",
            "serverTcpNoDelay",
            "sortedLedgerStorageEnabled",
            "useTargetEntryLogSizeForGc",
            "useTransactionalCompaction",
            "verifyMetadataOnGC",
            "zkEnableSecurity",
        ],
    ),
    (
        Form::Number,
        &[
            "auditorMaxNumberOfConcurrentOpenLedgerOperations",
            "auditorPeriodicBookieCheckInterval",
            "auditorPeriodicCheckInterval",
            "auditorPeriodicPlacementPolicyCheckInterval",
            "auditorPeriodicReplicasCheckInterval",
            "compactionMaxOutstandingRequests",
            "compactionRate",
            "compactionRateByBytes",
            "compactionRateByEntries",
            "dbStorage_readAheadCacheBatchBytesSize",
            "dbStorage_readAheadCacheBatchSize",
            "dbStorage_readAheadCacheMaxSizeMb",
            "dbStorage_rocksDB_blockCacheSize",
            "dbStorage_rocksDB_blockSize",
            "dbStorage_rocksDB_bloomFilterBitsPerKey",
            "dbStorage_rocksDB_maxSizeInLevel1MB",
            "dbStorage_rocksDB_numFilesInLevel0",
            "dbStorage_rocksDB_numLevels",
            "dbStorage_rocksDB_sstSizeInMB",
            "dbStorage_rocksDB_writeBufferSizeMB",
            "dbStorage_writeCacheMaxSizeMb",
            "diskCheckInterval",
            "entryLocationCompactionInterval",
            "fileInfoCacheInitialCapacity",
            "fileInfoFormatVersionToWrite",
            "fileInfoMaxIdleTime",
            "flushEntrylogBytes",
            "flushInterval",
            "gcOverreplicatedLedgerMaxConcurrentRequests",
            "gcOverreplicatedLedgerWaitTime",
            "gcWaitTime",
            "httpServerNumThreads",
            "inFlightReadEntryNumInLedgerChecker",
            "journalAlignmentSize",
            "journalBufferedEntriesThreshold",
            "journalBufferedWritesThreshold",
            "journalFormatVersionToWrite",
            "journalMaxBackups",
            "journalMaxGroupWaitMSec",
            "journalMaxSizeMB",
            "journalPageCacheFlushIntervalMSec",
            "journalPreAllocSizeMB",
            "journalQueueSize",
            "journalWriteBufferSizeKB",
            "lockReleaseOfFailedLedgerGracePeriod",
            "logSizeLimit",
            "lostBookieRecoveryDelay",
            "majorCompactionInterval",
            "majorCompactionMaxTimeMillis",
            "maxAddsInProgressLimit",
            "maxPendingAddRequestsPerThread",
            "maxPendingReadRequestsPerThread",
            "maxReadsInProgressLimit",
            "minNumRacksPerWriteQuorum",
            "minUsableSizeForEntryLogCreation",
            "minUsableSizeForHighPriorityWrites",
            "minUsableSizeForIndexFileCreation",
            "minorCompactionInterval",
            "minorCompactionMaxTimeMillis",
            "nettyMaxFrameSizeBytes",
            "numAddWorkerThreads",
            "numHighPriorityWorkerThreads",
            "numJournalCallbackThreads",
            "numLongPollWorkerThreads",
            "numReadWorkerThreads",
            "openFileLimit",
            "openLedgerRereplicationGracePeriod",
            "pageLimit",
            "pageSize",
            "prometheusStatsHttpPort",
            "prometheusStatsLatencyRolloverSeconds",
            "readBufferSizeBytes",
            "replicationRateByBytes",
            "rereplicationEntryBatchSize",
            "rwRereplicateBackoffMs",
            "serverNumIOThreads",
            "serverSockLinger",
            "serverWriteBufferHighWaterMark",
            "serverWriteBufferLowWaterMark",
            "skipListArenaChunkSize",
            "skipListArenaMaxAllocSize",
            "skipListSizeLimit",
            "underreplicatedLedgerRecoveryGracePeriod",
            "waitTimeoutOnBackpressureMillis",
            "waitTimeoutOnResponseBackpressureMillis",
            "writeBufferSizeBytes",
            "zkReplicationTaskRateLimit",
            "zkRequestRateLimit",
            "zkRetryBackoffMaxMs",
            "zkRetryBackoffMaxRetries",
            "zkRetryBackoffStartMs",
            "zkTimeout",
        ],
    ),
    (Form::Fraction, &["diskUsageLwmThreshold", "diskUsageThreshold", "diskUsageWarnThreshold"]),
    (
        Form::Decimal,
        // A compaction that is switched off has 0 or less.
        &[
            "auditorLedgerVerificationPercentage",
            "majorCompactionThreshold",
            "minorCompactionThreshold",
        ],
    ),
    (
        Form::Class,
        &[
            "ensemblePlacementPolicy",
            "httpServerClass",
            "ledgerManagerFactoryClass",
            "ledgerStorageClass",
            "reppDnsResolverClass",
            "statsProviderClass",
        ],
    ),
    (
        Form::Word,
        &[
            "allocatorLeakDetectionPolicy",
            "allocatorOutOfMemoryPolicy",
            "allocatorPoolingPolicy",
            "dbStorage_rocksDB_checksum_type",
            "listeningInterface",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_form_and_is_nobody_s_secret() {
        let mut all: Vec<&str> = TAKEN.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
        all.extend(OWN);
        for key in &all {
            assert_eq!(all.iter().filter(|other| *other == key).count(), 1, "{key}");
            let lower = key.to_ascii_lowercase();
            for word in ["passw", "secret", "credential", "keystore", "truststore", "auth"] {
                assert!(!lower.contains(word), "{key}");
            }
        }
    }

    #[test]
    fn values_have_forms() {
        assert!(Form::Uri.fits("zk+hierarchical://10.0.0.1:2181;10.0.0.2:2181/ledgers"));
        assert!(Form::Uri.fits("metadata-store:zk:10.0.0.1:2181,10.0.0.2:2181/ledgers"));
        assert!(Form::Number.fits("-1") && Form::Number.fits("1073741824"));
        assert!(Form::Fraction.fits("0.95") && Form::Decimal.fits("-1.0"));
        assert!(Form::Class.fits("org.apache.bookkeeper.bookie.storage.ldb.DbLedgerStorage"));
        assert!(Form::Word.fits("PooledDirect") && Form::Word.fits("eth0"));
        for form in [
            Form::Switch,
            Form::Number,
            Form::Fraction,
            Form::Decimal,
            Form::Class,
            Form::Word,
            Form::Uri,
        ] {
            for bad in
                ["", " ", "a b", "1\nb=2", "${x}", "zk://u:p@h/l", "é", "=", "\\", "-2", "NaN"]
            {
                let fits = form.fits(bad);
                // A name like any other; a decimal may be below nothing.
                let fine = matches!(
                    (form, bad),
                    (Form::Class | Form::Word, "NaN") | (Form::Decimal, "-2")
                );
                assert_eq!(fits, fine, "{form:?} {bad:?}");
            }
        }
    }
}
