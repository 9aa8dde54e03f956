//! Tokens that several programs on one store share: one requests, the others take what it got.
//!
//! A courtesy, and never more than that: a client that cannot have a token this way in time requests one, as it does
//! without a store. [`TokenSharing`] is what a client keeps; [`TokenFetch`] takes the place of one token request.
//!
//! ```text
//! look ── a token, not the rejected one ──▶ use it
//!   │ none, and nobody requests one            ▲
//!   ▼                                          │
//! claim ── mine ──▶ request, publish ──────────┤ look again, a few times
//!   │ another one's                            │
//!   └──────────────────────────────────────────┘    too long, or no answer: request, alone
//! ```
//!
//! An AppJWT is in a cell that the store forgets when a quarter of the token's life is left. Who finds it may use it for a
//! fifth of its life, and looks again then. So no clock is compared with another one, and nobody uses a token that has
//! expired, unless the store takes a twentieth of its life to write it. The claim is a cell of its own, which the store
//! forgets soon: a claimant that dies holds nobody up for long. A ConsumerJWS does not expire
//! ([protocol.md 5](crate::protocol#5)); a program asks for it seldom at the same time as another, so nobody claims it.
//!
//! Tokens go to a store only if it [is sealed](super::store::Store::is_sealed). A driver checks that.
//!
//! ```
//! use std::time::SystemTime;
//! use lp_connector_core::api::AuthorizeApp;
//! use lp_connector_core::bridge::share::{FetchStep, ShareSettings, TokenSharing};
//! use lp_connector_core::bridge::store::MemoryStore;
//! use lp_connector_core::connector::{Call, Config, ConnectorState, Outcome, Step};
//! use lp_connector_core::id::{AccountId, ClientId};
//! use lp_connector_core::secret::Secret;
//! use lp_connector_core::seed::Seed;
//! use lp_connector_core::time::{Mono, Now};
//!
//! let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
//! let mut store = MemoryStore::default(); // in earnest: one that is sealed
//! let mut requests = 0;
//! for program in [1, 2] {
//!     let secret = Secret::new("k7&+%".to_owned());
//!     let config = Config::new(AccountId::new("91827364")?).credentials(ClientId::new("0a1b2c3d")?, secret);
//!     let seed = Seed::from_bytes([program; 16]);
//!     let mut sharing = TokenSharing::new(&config, seed, ShareSettings::new()).unwrap();
//!     let mut state = ConnectorState::new(config, seed);
//!     let mut call = Call::new(AuthorizeApp::new(), state.config(), seed, now);
//!     while let Step::Send(attempt) = call.poll(&mut state, now) {
//!         let mut cloud = |attempt: &lp_connector_core::connector::Attempt| {
//!             let is_token = attempt.token().is_some();
//!             requests += u32::from(is_token);
//!             let body = if is_token {
//!                 r#"{"access_token":"a.b.c","expires_in":3600}"#
//!             } else {
//!                 r#"{"service":"sentinel","baseURI":"sentinel.liveperson.net"}"#
//!             };
//!             Outcome::Response(http::Response::new(bytes::Bytes::from_static(body.as_bytes())))
//!         };
//!         let outcome = match sharing.begin(&attempt, now.mono()) {
//!             None => cloud(&attempt), // no token, or nothing to share
//!             Some(mut fetch) => loop {
//!                 match fetch.poll(&mut sharing, now.mono()) {
//!                     FetchStep::Ask(request, _) => {
//!                         let answer = store.perform(request, now.mono());
//!                         fetch.answered(&mut sharing, Some(answer), now.mono());
//!                     }
//!                     FetchStep::Send => {
//!                         let outcome = cloud(&attempt);
//!                         if let Some(request) = fetch.sent(&mut sharing, &outcome, now.mono()) {
//!                             store.perform(request, now.mono()); // nobody waits for the answer
//!                         }
//!                         break outcome;
//!                     }
//!                     FetchStep::Use(token) => break Outcome::Shared(token),
//!                     FetchStep::Wait(_) => unreachable!("the first one is done"),
//!                 }
//!             },
//!         };
//!         let _ = call.handle(&mut state, now, attempt.number(), outcome);
//!     }
//! }
//! assert_eq!(requests, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cells;
mod fetch;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod program;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub(super) use self::cells::consumer_token_cell;
#[cfg(feature = "_fuzz")]
pub(super) use self::cells::rewritten;
pub use self::fetch::{FetchStep, TokenFetch};
use crate::connector::{Attempt, Config};
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::Mono;

/// While a store does not answer, tokens are requested without it for so long.
const ALONE: Duration = Duration::from_secs(30);

/// How long a ConsumerJWS is kept for others, if nobody removes it.
const CONSUMER_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How tokens are shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShareSettings {
    patience: Duration,
    consumer_life: Duration,
}

impl Default for ShareSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl ShareSettings {
    /// The default settings.
    #[must_use]
    pub const fn new() -> Self {
        Self { patience: Duration::from_secs(3), consumer_life: CONSUMER_LIFE }
    }

    /// Sets how much longer a token may take than without the store: the time for the store's answers, and for another
    /// program that requests the token at the moment. It is half of what a request has left at most. Zero: nothing is
    /// shared. Default: 3 s.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how long the token of a consumer is kept for others, if nobody removes it. Default: 7 days.
    #[must_use]
    pub const fn consumer_life(mut self, life: Duration) -> Self {
        self.consumer_life = life;
        self
    }
}

/// What a client keeps in order to share the tokens of its account and app. See the [module](self).
pub struct TokenSharing {
    account: AccountId,
    app: ClientId,
    /// What claims of this client begin with.
    name: String,
    fetches: u64,
    settings: ShareSettings,
    /// The store did not answer: nothing is asked of it before then.
    alone_until: Mono,
    /// The AppJWT that the client got last, from wherever.
    held: Option<Secret>,
    /// The last one that a service rejected.
    rejected: Option<Secret>,
}

impl TokenSharing {
    /// The sharing of a client with this configuration. The seed must be random. `None`: the configuration has no
    /// credentials, or the patience is zero.
    #[must_use]
    pub fn new(config: &Config, seed: Seed, settings: ShareSettings) -> Option<Self> {
        let app = config.client_id()?.clone();
        (!settings.patience.is_zero()).then(|| Self {
            account: config.account().clone(),
            app,
            name: seed.uuid(0),
            fetches: 0,
            settings,
            alone_until: Mono::ZERO,
            held: None,
            rejected: None,
        })
    }

    /// Begins what takes the place of sending this attempt. `None`: send it.
    pub fn begin(&mut self, attempt: &Attempt, now: Mono) -> Option<TokenFetch> {
        let request = attempt.token()?;
        if request.consumer().is_none() && request.replaces_rejected() {
            self.rejected = self.held.clone().or(self.rejected.take());
        }
        if now < self.alone_until {
            return None;
        }
        self.fetches += 1;
        let patience = self.settings.patience.min(attempt.time_left(now) / 2);
        Some(TokenFetch::new(self, request, now, patience))
    }
}

impl fmt::Debug for TokenSharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSharing")
            .field("account", &self.account)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
