//! Opens the store that is configured.

use std::path::Path;
use std::sync::Arc;

use lp_connector_bridge::store::{Store, StoreError};
use lp_connector_bridge::{Sealed, StoreKey};
use lp_connector_sqlite::Sqlite;

use super::store::StoreAddress;
use super::values::Values;
use crate::failure::Failure;

/// Opens the store: sealed, if there is a key.
pub(super) fn store(values: &Values) -> Result<Arc<dyn Store>, Failure> {
    match values.store() {
        None => Err(Failure::usage("the store is missing")),
        Some(StoreAddress::File(file)) => sealed(sqlite(file)?, values),
        #[cfg(feature = "postgres")]
        Some(StoreAddress::Postgres(url)) => sealed(super::postgres::connect(url, values)?, values),
        #[cfg(not(feature = "postgres"))]
        Some(StoreAddress::Postgres(_)) => {
            Err(Failure::usage("this program was built without the feature postgres"))
        }
    }
}

/// Brings the tables up to date. From which version to which, if the store has numbers for them.
pub(super) fn migrate(values: &Values) -> Result<Option<(u32, u32)>, Failure> {
    match values.store() {
        #[cfg(feature = "postgres")]
        Some(StoreAddress::Postgres(url)) => super::postgres::migrate(url, values).map(Some),
        _ => store(values).map(|_| None),
    }
}

fn sqlite(file: &Path) -> Result<Sqlite, Failure> {
    let failed = |error: StoreError| Failure::Local(format!("the store: {error}"));
    Sqlite::open(file).map_err(failed)
}

fn sealed(store: impl Store + 'static, values: &Values) -> Result<Arc<dyn Store>, Failure> {
    let Some(key) = values.secrets("store_key").first() else {
        return Ok(Arc::new(store));
    };
    let sealed = Sealed::new(store, StoreKey::parse(key)?);
    let old = values.secrets("store_old_keys").iter();
    let sealed = old
        .map(StoreKey::parse)
        .try_fold(sealed, |sealed, key| key.map(|key| sealed.old_key(key)))?;
    Ok(Arc::new(sealed))
}
