//! Specs: every version of every cluster's, and which one is the newest.

use bellows_proto::v1::Spec;

use super::{
    Stop, Store, StoreError, Tables, get, get_in, keys, locks, pieces, put, records::NewestSpec,
};

impl Store {
    /// The newest version of a cluster's spec; `None`: there is no such cluster.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn spec(&self, cluster: &str) -> Result<Option<Spec>, StoreError> {
        let _guard = self.reading()?;
        let key = keys::text(keys::SPEC_NEWEST, cluster);
        let newest: Option<NewestSpec> = get(&self.specs, &key, &|| name(cluster))?;
        newest
            .map(|newest| self.read_spec(cluster, newest.version))
            .transpose()
            .map(Option::flatten)
    }

    /// One version of a cluster's spec.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn spec_version(&self, cluster: &str, version: u64) -> Result<Option<Spec>, StoreError> {
        let _guard = self.reading()?;
        self.read_spec(cluster, version)
    }

    /// Versions of a cluster's spec, the newest first, at most `limit`; and how many more there are.
    /// Empty: there is no such cluster.
    ///
    /// # Errors
    /// If the store failed or an entry is damaged.
    pub fn spec_versions(
        &self,
        cluster: &str,
        limit: usize,
    ) -> Result<(Vec<Spec>, u64), StoreError> {
        let _guard = self.reading()?;
        let key = keys::text(keys::SPEC_NEWEST, cluster);
        let newest: Option<NewestSpec> = get(&self.specs, &key, &|| name(cluster))?;
        let mut found = Vec::new();
        let mut older = 0;
        for version in newest.unwrap_or_default().versions().rev() {
            if found.len() < limit {
                found.extend(self.read_spec(cluster, version)?);
            } else {
                older += 1;
            }
        }
        Ok((found, older))
    }

    /// Forgets a cluster that is at this version: all versions of its spec, and its last observation.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if an open operation holds it, [`StoreError::SpecVersion`] if it is at
    /// another version: nothing was changed. Else the store failed.
    pub fn remove_cluster(&self, cluster: &str, version: u64) -> Result<(), StoreError> {
        self.commit(|tables| {
            locks::refuse_held(tables, &format!("cluster/{cluster}"))?;
            expect_version(tables, cluster, version)?;
            remove(tables, cluster)
        })
    }

    /// The newest specs of all clusters, in order of the bytes of their names.
    ///
    /// # Errors
    /// If the store failed or an entry is damaged.
    pub fn clusters(&self) -> Result<Vec<Spec>, StoreError> {
        let _guard = self.reading()?;
        let mut found = Vec::new();
        for item in self.specs.scan_prefix([keys::SPEC_NEWEST]).keys() {
            let key = item?;
            if !keys::is_whole_text(&key) {
                continue;
            }
            let cluster = keys::read_text(&key);
            let newest: Option<NewestSpec> = get(&self.specs, &key, &|| name(&cluster))?;
            if let Some(newest) = newest {
                found.extend(self.read_spec(&cluster, newest.version)?);
            }
        }
        Ok(found)
    }

    fn read_spec(&self, cluster: &str, version: u64) -> Result<Option<Spec>, StoreError> {
        let key = keys::spec_version(cluster, version);
        get(&self.specs, &key, &|| name(cluster))
    }
}

fn name(cluster: &str) -> String {
    format!("the spec of {cluster}")
}

fn newest(tables: &Tables<'_>, cluster: &str) -> Result<NewestSpec, Stop> {
    let key = keys::text(keys::SPEC_NEWEST, cluster);
    let newest: Option<NewestSpec> = get_in(tables.specs, &key, &|| name(cluster))?;
    Ok(newest.unwrap_or_default())
}

/// Refuses if the spec is at another version; 0: there is none.
pub(super) fn expect_version(tables: &Tables<'_>, cluster: &str, planned: u64) -> Result<(), Stop> {
    let found = newest(tables, cluster)?.version;
    if found == planned {
        return Ok(());
    }
    Err(Stop::Refused(StoreError::SpecVersion { cluster: cluster.to_owned(), planned, found }))
}

/// Stores the version after the newest.
pub(super) fn put_next(tables: &Tables<'_>, spec: &Spec) -> Result<(), Stop> {
    let cluster = spec.cluster.as_str();
    expect_version(tables, cluster, spec.version.saturating_sub(1))?;
    put_from(tables, spec, newest(tables, cluster)?.oldest)
}

/// Stores a version as the newest, of a cluster of which those before `oldest` are not known.
pub(super) fn put_from(tables: &Tables<'_>, spec: &Spec, oldest: u64) -> Result<(), Stop> {
    let cluster = spec.cluster.as_str();
    let what = || name(cluster);
    let key = keys::spec_version(cluster, spec.version);
    put(tables.specs, &key, spec, &what)?;
    let newest = NewestSpec { version: spec.version, oldest };
    let key = keys::text(keys::SPEC_NEWEST, cluster);
    put(tables.specs, &key, &newest, &what)
}

/// Removes all versions, and the last observation: a cluster of the same name that is made
/// later has nothing to do with this one.
pub(super) fn remove(tables: &Tables<'_>, cluster: &str) -> Result<(), Stop> {
    for version in newest(tables, cluster)?.versions() {
        pieces::remove::<Stop>(tables.specs, &keys::spec_version(cluster, version))?;
    }
    pieces::remove::<Stop>(tables.specs, &keys::text(keys::SPEC_NEWEST, cluster))?;
    pieces::remove(tables.inventory, &keys::text(keys::OBSERVATION, cluster))
}
