//! Filters and pages of lists.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::known::unknown_name;
use crate::problem::{Problem, ProblemKind};

/// How many items a page has, and at most.
const LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// What a query asks for.
#[derive(Debug)]
pub(super) struct Query {
    filters: BTreeMap<String, String>,
    pub(super) limit: usize,
    after: Option<String>,
}

/// Where a page ended, and the filters that it was made with. Opaque to the caller.
#[derive(Serialize, Deserialize)]
struct Cursor<P> {
    at: P,
    filters: String,
}

/// A page.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

impl Query {
    /// Reads a query. A filter of another name is an error: whoever misspells one must not get everything.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut filters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) && name != "limit" && name != "after" {
                let all: Vec<&str> = known.iter().copied().chain(["limit", "after"]).collect();
                return Err(Problem::new(ProblemKind::Invalid, unknown_name(&name, &all)));
            }
            if filters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Problem::new(ProblemKind::Invalid, "a name is there twice"));
            }
        }
        let limit = match filters.remove("limit").map(|limit| limit.parse::<usize>()) {
            None => LIMIT,
            Some(Ok(limit @ 1..=MAX_LIMIT)) => limit,
            Some(_) => return Err(Problem::new(ProblemKind::Invalid, "limit is 1 to 1000")),
        };
        let after = filters.remove("after");
        Ok(Self { filters, limit, after })
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.filters.get(name).map(String::as_str)
    }

    /// Whether this is wanted: `true`, `false`, or nothing, which is false.
    pub(super) fn is_true(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::new(ProblemKind::Invalid, format!("{name} is true or false"))),
        }
    }

    /// Where the page before this one ended.
    pub(super) fn after<P: DeserializeOwned>(&self) -> Result<Option<P>, Problem> {
        self.after.as_deref().map(|cursor| self.read(cursor)).transpose()
    }

    fn read<P: DeserializeOwned>(&self, cursor: &str) -> Result<P, Problem> {
        let wrong = |why| Problem::new(ProblemKind::Invalid, why);
        let json = URL_SAFE_NO_PAD.decode(cursor).ok();
        let read = json.and_then(|json| serde_json::from_slice::<Cursor<P>>(&json).ok());
        let cursor = read.ok_or_else(|| wrong("the cursor is none of this bridge's"))?;
        match cursor.filters == self.fingerprint() {
            true => Ok(cursor.at),
            false => Err(wrong("the cursor is that of a list with other filters")),
        }
    }

    /// A cursor for the page after this place.
    pub(super) fn cursor<P: Serialize>(&self, at: P) -> String {
        let cursor = Cursor { at, filters: self.fingerprint() };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for part in self.filters.iter().flat_map(|(name, value)| [name, value]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hex = hash.finalize();
        hex.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// For bulk work: the filters of a body.
    pub(super) fn of(
        filters: BTreeMap<String, String>,
        limit: usize,
        after: Option<String>,
    ) -> Self {
        Self { filters, limit, after }
    }
}

/// Reads a time of a filter.
pub(super) fn time(text: &str) -> Result<SystemTime, Problem> {
    humantime::parse_rfc3339_weak(text)
        .map_err(|_| Problem::new(ProblemKind::Invalid, "a time is one of RFC 3339, in UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Query, Problem> {
        Query::parse(Some(text), &["gateway", "reason"])
    }

    #[test]
    fn a_cursor_knows_its_filters() {
        let sms = query("gateway=sms&limit=7").unwrap();
        let cursor = sms.cursor("5f0c");
        let next = |filters: &str| query(&format!("{filters}&after={cursor}")).unwrap();
        assert_eq!(next("gateway=sms").after(), Ok(Some("5f0c".to_owned())));
        assert!(next("gateway=chat").after::<String>().is_err());
        assert!(next("").after::<String>().is_err());
        assert!(query("after=AAAA").unwrap().after::<String>().is_err());
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for text in ["gatewya=sms", "limit=0", "limit=1001", "limit=x", "reason=a&reason=b"] {
            assert!(query(text).is_err(), "{text}");
        }
        assert_eq!(query("").unwrap().limit, LIMIT);
    }
}
