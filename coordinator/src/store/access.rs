//! Certificates of users.

use bellows_proto::digest;

use super::{
    Store, StoreError, get, get_in, inventory, keys, put,
    records::{AccessRecord, Revocation},
};

impl Store {
    /// Stores a certificate of a user, unless one with its key is there.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn put_access(&self, access: &AccessRecord) -> Result<(), StoreError> {
        let (key, name) = (access_key(&access.key), || access_name(access));
        self.commit(|tables| match get_in::<AccessRecord>(tables.inventory, &key, &name)? {
            Some(_) => Ok(()),
            None => put(tables.inventory, &key, access, &name),
        })
    }

    /// All of them, in order of their keys.
    ///
    /// # Errors
    /// If the store failed or an entry is damaged.
    pub fn all_access(&self) -> Result<Vec<AccessRecord>, StoreError> {
        let _guard = self.reading()?;
        let mut found = Vec::new();
        for item in self.inventory.scan_prefix([keys::ACCESS]).keys() {
            let key = item?;
            if keys::is_whole_text(&key) {
                let name = || format!("the access of key {}", keys::read_text(&key));
                found.extend(get::<AccessRecord>(&self.inventory, &key, &name)?);
            }
        }
        Ok(found)
    }

    /// Revokes a user's key, in one transaction with its entry, which is made if it is not there. One
    /// that was revoked already stays as it is. Returns the entry.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn revoke_access(
        &self,
        access: &AccessRecord,
        why: &Revocation,
    ) -> Result<AccessRecord, StoreError> {
        let (key, name) = (access_key(&access.key), || access_name(access));
        self.commit(|tables| {
            let known: Option<AccessRecord> = get_in(tables.inventory, &key, &name)?;
            let mut entry = known.unwrap_or_else(|| access.clone());
            if entry.revocation.is_none() {
                inventory::revoke_key(tables, &entry.key, &access_holder(&entry), why)?;
                entry.revocation = Some(why.clone());
                put(tables.inventory, &key, &entry, &name)?;
            }
            Ok(entry)
        })
    }
}

fn access_key(key: &[u8]) -> Vec<u8> {
    keys::text(keys::ACCESS, &digest::hex(key))
}

/// "alice (operator)".
fn access_holder(access: &AccessRecord) -> String {
    format!("{} ({})", access.name, access.role)
}

fn access_name(access: &AccessRecord) -> String {
    format!("the access of {}", access_holder(access))
}
