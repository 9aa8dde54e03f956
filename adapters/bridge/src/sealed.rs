//! Personal data at rest: a store whose values are sealed.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lp_connector_core::bridge::store::{
    Answer, CellId, Claimed, Commit, Entry, Kept, LaneId, Record, Reply, Request, SEALED, Store,
    StoreError, StoreErrorKind, StoreFacts, is_sealed,
};
use lp_connector_core::error::Error;
use lp_connector_core::secret::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

/// The bytes of a key.
const KEY_BYTES: usize = 32;

/// What names a key within a value.
const ID_BYTES: usize = 8;

/// What is random in a value: it makes the value's own key and nonce.
const SALT_BYTES: usize = 16;
const RANDOM_BYTES: usize = SALT_BYTES + NONCE_LEN;

/// A key that seals a store: 32 random bytes. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct StoreKey {
    id: [u8; ID_BYTES],
    derive: hmac::Key,
}

impl StoreKey {
    /// The key of these random bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let derive = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let tag = hmac::sign(&derive, b"id");
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Self { id, derive }
    }

    /// The key in a text of 44 characters: 32 random bytes in Base64, as `openssl rand -base64 32` prints them.
    ///
    /// # Errors
    /// [`Configuration`](lp_connector_core::error::ErrorKind::Configuration) if it is anything else.
    pub fn parse(text: &Secret) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text.expose().trim()).ok();
        let bytes = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        let bytes = bytes.filter(|bytes| bytes.iter().any(|byte| *byte != 0));
        match bytes {
            Some(bytes) => Ok(Self::from_bytes(&bytes)),
            None => Err(Error::configuration(
                "the store's key is not Base64 of 32 random bytes: `openssl rand -base64 32` makes one",
            )),
        }
    }

    /// The key of one value.
    fn of_value(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let tag = hmac::sign(&self.derive, &[b"value", salt].concat());
        UnboundKey::new(&AES_256_GCM, tag.as_ref()).ok().map(LessSafeKey::new)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// A store that seals what it keeps: entries, records and cells, each whole, with AES-256-GCM under a key of its own. Each
/// is bound to its lane or cell: one that is copied to another does not open.
///
/// ```
/// use lp_connector_bridge::{Memory, Sealed, StoreKey};
///
/// let store = Sealed::new(Memory::new(), StoreKey::from_bytes(&[7; 32])); // random bytes, in earnest
/// # let _ = store;
/// ```
///
/// # What it does not hide
///
/// The names of lanes and cells stay readable, for a store finds them by these: accounts, consumers' ids, conversations'
/// ids, and when there is something to do. If the ids of your consumers are telephone numbers, these are in the store. Nor
/// does it hide sizes and numbers, or keep somebody who can write to the store from removing entries and putting them in
/// another order.
///
/// # With and without a key
///
/// What was stored before there was a key is read as it is, and sealed when it is written again: somebody who can write
/// to the store can put something unsealed there. A program without the key works on no lane with something sealed in
/// it, and leaves it as it is. A sealed value that does not open, because its key is missing or it was changed, is never
/// passed on: a lane with it is not given to the bridge, and a list or a cell with it is an error of the kind
/// [`Unreadable`](StoreErrorKind::Unreadable).
///
/// To change the key, make the new one the key, and the old one an [old key](Self::old_key). Values are sealed with the
/// new one when they are written next. Cells are seldom written: keep the old key.
#[derive(Debug)]
pub struct Sealed<S> {
    store: S,
    keys: Arc<Keys>,
}

#[derive(Clone, Debug)]
struct Keys {
    key: StoreKey,
    old: Vec<StoreKey>,
    random: SystemRandom,
}

impl<S: Store> Sealed<S> {
    /// Seals what `store` keeps with this key.
    #[must_use]
    pub fn new(store: S, key: StoreKey) -> Self {
        Self { store, keys: Arc::new(Keys { key, old: Vec::new(), random: SystemRandom::new() }) }
    }

    /// Adds a key that opens what was sealed with it earlier.
    #[must_use]
    pub fn old_key(mut self, key: StoreKey) -> Self {
        Arc::make_mut(&mut self.keys).old.push(key);
        self
    }
}

impl<S: Store> Store for Sealed<S> {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let places = Places::of(&request);
        let answer = self.store.perform(self.keys.seal(request)?)?;
        self.keys.open(answer, &places)
    }

    fn submit(&self, request: Request, reply: Reply) {
        let places = Places::of(&request);
        let keys = self.keys.clone();
        match self.keys.seal(request) {
            Ok(request) => self.store.submit(
                request,
                Box::new(move |answer| reply(answer.and_then(|answer| keys.open(answer, &places)))),
            ),
            Err(error) => reply(Err(error)),
        }
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.store.facts()
    }

    fn is_sealed(&self) -> bool {
        true
    }
}

/// The cells that were asked for: the answer does not name them.
struct Places(Vec<CellId>);

impl Places {
    fn of(request: &Request) -> Self {
        match request {
            Request::Read(cells) => Self(cells.clone()),
            _ => Self(Vec::new()),
        }
    }
}

impl Keys {
    fn seal(&self, request: Request) -> Result<Request, StoreError> {
        request.check_sizes()?;
        Ok(match request {
            Request::Append(entries) => Request::Append(self.seal_entries(entries)?),
            Request::Commit(commits) => Request::Commit(
                commits.into_iter().map(|one| self.seal_commit(one)).collect::<Result<_, _>>()?,
            ),
            Request::Swap { cell, seen, value, life } => {
                // The same again must be the same: a repetition is known by its value.
                if value.is_empty() {
                    return Ok(Request::Swap { cell, seen, value, life });
                }
                let of = of_cell(&cell);
                let random = self.of_swap(&of, seen, &value);
                let value = self.seal_with(&random, &of, value)?;
                Request::Swap { cell, seen, value, life }
            }
            other => other,
        })
    }

    fn seal_entries(&self, entries: Vec<Entry>) -> Result<Vec<Entry>, StoreError> {
        let seal = |Entry { lane, body }: Entry| {
            let body = self.seal_value(&of_lane("entry", &lane), body)?;
            Ok(Entry { lane, body })
        };
        entries.into_iter().map(seal).collect()
    }

    fn seal_commit(&self, mut commit: Commit) -> Result<Commit, StoreError> {
        if let Kept::New(Record { body, .. }) = &mut commit.record {
            *body =
                self.seal_value(&of_lane("record", &commit.lease.lane), std::mem::take(body))?;
        }
        commit.append = self.seal_entries(commit.append)?;
        // An empty value removes its cell.
        for (cell, value) in commit.cells.iter_mut().filter(|(_, value)| !value.is_empty()) {
            *value = self.seal_value(&of_cell(cell), std::mem::take(value))?;
        }
        Ok(commit)
    }

    fn seal_value(&self, of: &[u8], value: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let mut random = [0; RANDOM_BYTES];
        self.random.fill(&mut random).map_err(|_| no_randomness())?;
        self.seal_with(&random, of, value)
    }

    fn of_swap(&self, of: &[u8], seen: u64, value: &[u8]) -> [u8; RANDOM_BYTES] {
        let place = [&(of.len() as u64).to_be_bytes()[..], of, &seen.to_be_bytes(), value].concat();
        let tag = hmac::sign(&self.key.derive, &[b"swap", &place[..]].concat());
        let mut random = [0; RANDOM_BYTES];
        random.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        random
    }

    /// A sealed value: the mark, the key's id, what is random, the value, the tag.
    fn seal_with(
        &self,
        random: &[u8; RANDOM_BYTES],
        of: &[u8],
        mut value: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let (salt, nonce) = random.split_at(SALT_BYTES);
        let key = self.key.of_value(salt).ok_or_else(no_randomness)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| no_randomness())?;
        key.seal_in_place_append_tag(nonce, Aad::from(of), &mut value)
            .map_err(|_| no_randomness())?;
        Ok([SEALED, &self.key.id[..], &random[..], &value[..]].concat())
    }

    /// The value, or `None` if it does not open. One that is not sealed is as it is.
    fn open_value(&self, of: &[u8], value: Vec<u8>) -> Option<Vec<u8>> {
        if !is_sealed(&value) {
            return Some(value);
        }
        let rest = value.get(SEALED.len()..)?;
        let (id, rest) = rest.split_at_checked(ID_BYTES)?;
        let (salt, rest) = rest.split_at_checked(SALT_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let key = [&self.key].into_iter().chain(&self.old).find(|key| key.id == id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let length =
            key.of_value(salt)?.open_in_place(nonce, Aad::from(of), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }

    fn open(&self, answer: Answer, places: &Places) -> Result<Answer, StoreError> {
        Ok(match answer {
            Answer::Claimed(lanes) => {
                let count = lanes.len();
                let names: Vec<LaneId> = lanes.iter().map(|lane| lane.lane.clone()).collect();
                let mut opened = Vec::with_capacity(count);
                for (lane, name) in lanes.into_iter().zip(names) {
                    match self.open_claimed(lane) {
                        Some(lane) => opened.push(lane),
                        // It stays as it is: another program may have the key.
                        None => {
                            tracing::error!(event = "unopened", lane = ?name, "a value of the lane does not open")
                        }
                    }
                }
                if opened.is_empty() && count > 0 {
                    return Err(unreadable());
                }
                Answer::Claimed(opened)
            }
            Answer::Cells(cells) => {
                let mut opened = Vec::with_capacity(cells.len());
                for (cell, id) in cells.into_iter().zip(&places.0) {
                    opened.push(match cell {
                        Some(mut cell) => {
                            let value = self.open_value(&of_cell(id), cell.value);
                            cell.value = value.ok_or_else(unreadable)?;
                            Some(cell)
                        }
                        None => None,
                    });
                }
                Answer::Cells(opened)
            }
            Answer::Listed(mut lanes) => {
                for lane in &mut lanes {
                    if let Some(record) = &mut lane.record {
                        let of = of_lane("record", &lane.summary.lane);
                        let body = self.open_value(&of, std::mem::take(&mut record.body));
                        record.body = body.ok_or_else(unreadable)?;
                    }
                }
                Answer::Listed(lanes)
            }
            other => other,
        })
    }

    fn open_claimed(&self, mut claimed: Claimed) -> Option<Claimed> {
        if let Some(record) = &mut claimed.record {
            let of = of_lane("record", &claimed.lane);
            record.body = self.open_value(&of, std::mem::take(&mut record.body))?;
        }
        let of = of_lane("entry", &claimed.lane);
        for (_, body) in &mut claimed.entries {
            *body = self.open_value(&of, std::mem::take(body))?;
        }
        Some(claimed)
    }
}

/// What a value of a lane is bound to.
fn of_lane(what: &str, lane: &LaneId) -> Vec<u8> {
    bound(&[what, lane.account().as_str(), lane.kind().name(), lane.key()])
}

fn of_cell(cell: &CellId) -> Vec<u8> {
    bound(&["cell", cell.account.as_str(), &cell.key])
}

/// The parts with their lengths, so that no two lists of parts are one.
fn bound(parts: &[&str]) -> Vec<u8> {
    let sized = parts.iter().flat_map(|part| {
        let length = (part.len() as u64).to_be_bytes();
        length.into_iter().chain(part.bytes())
    });
    sized.collect()
}

fn unreadable() -> StoreError {
    let why = "a value in the store does not open: its key is missing, or it was changed";
    StoreError::new(StoreErrorKind::Unreadable, why)
}

fn no_randomness() -> StoreError {
    let why = "a value cannot be sealed: the operating system provides no randomness";
    StoreError::new(StoreErrorKind::Failed, why)
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
