//! The cells that hold shared tokens, and what is in them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bridge::store::CellId;
use crate::id::{AccountId, ClientId, ExtConsumerId};
use crate::secret::Secret;

/// The version of the values. Another one is as no value.
const VERSION: u8 = 1;

/// A token in its cell.
#[derive(Debug)]
pub(super) struct TokenValue {
    pub(super) token: Secret,
    /// How long whoever finds it may use it.
    pub(super) usable: Duration,
    /// The claim under which it was requested.
    pub(super) claim: String,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    v: u8,
    token: &'a str,
    usable_ms: u64,
    claim: &'a str,
}

impl TokenValue {
    pub(super) fn write(&self) -> Vec<u8> {
        let written = Written {
            v: VERSION,
            token: self.token.expose(),
            usable_ms: u64::try_from(self.usable.as_millis()).unwrap_or(u64::MAX),
            claim: &self.claim,
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    pub(super) fn read(value: &[u8]) -> Option<Self> {
        // A token has no character that JSON escapes: what has one is none of ours.
        let written: Written<'_> = serde_json::from_slice(value).ok()?;
        (written.v == VERSION).then(|| Self {
            token: Secret::new(written.token.to_owned()),
            usable: Duration::from_millis(written.usable_ms),
            claim: written.claim.to_owned(),
        })
    }
}

/// The cell of an app's AppJWT.
pub(super) fn app_cell(account: &AccountId, app: &ClientId) -> CellId {
    CellId { account: account.clone(), key: format!("app_jwt:{app}") }
}

/// The cell that says who requests one at the moment.
pub(super) fn claim_cell(account: &AccountId, app: &ClientId) -> CellId {
    CellId { account: account.clone(), key: format!("app_jwt_claim:{app}") }
}

/// The cell of a consumer's ConsumerJWS.
pub(in crate::bridge) fn consumer_token_cell(
    account: &AccountId,
    consumer: &ExtConsumerId,
) -> CellId {
    CellId { account: account.clone(), key: format!("consumer_jws:{consumer}") }
}

/// The token as this program reads and writes it.
#[cfg(feature = "_fuzz")]
pub(in crate::bridge) fn rewritten(
    record: &crate::bridge::store::Record,
) -> Option<crate::bridge::store::Record> {
    let body = TokenValue::read(&record.body)?.write();
    Some(crate::bridge::store::Record { version: record.version, body })
}
