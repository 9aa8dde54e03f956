//! The handle of a blocking bridge.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use event_listener::Listener as _;
use lp_connector_core::api::{ChatState, SetChatState};
use lp_connector_core::bridge::store::{
    Answer, Entry, LaneKind, Request, Store, StoreError, StoreErrorKind,
};
use lp_connector_core::bridge::{
    self, ChannelReceipt, ConsumerSummary, Forgetting, Inbound, Instance, Resolution,
    WorkerCounters,
};
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::{AccountId, ConversationId, ExtConsumerId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::time::Timestamp;
use lp_connector_core::webhook::Verified;
use lp_connector_ureq::Client;

use super::{Builder, Channel};
use crate::shared::{EndOnDrop, STORE_TIMEOUT, Shared, TYPING_TIMEOUT, answered, appended};
use crate::{Accepted, DeadLetters, ReportError, TypingError, listing};

/// A running bridge, for any number of threads: clones are cheap, and share it. The last one that is dropped ends
/// it; [`drain`](Self::drain) ends it well.
///
/// Whatever it has accepted is in the store: a bridge that starts on the same store later goes on with it.
#[derive(Clone)]
pub struct Bridge {
    shared: Arc<EndOnDrop>,
    account: AccountId,
    clients: Arc<BTreeMap<AccountId, Client>>,
}

impl Bridge {
    /// Starts a bridge between `channel` and the account of `client`, on threads of its own. For settings, and for
    /// more accounts, see [`builder`](Self::builder).
    ///
    /// # Errors
    /// [`Configuration`](lp_connector_core::error::ErrorKind::Configuration) if the operating system has no
    /// randomness or no thread to give.
    pub fn new(
        client: Client,
        store: impl Store + 'static,
        channel: impl Channel,
    ) -> Result<Self, Error> {
        Self::builder(client, store, channel).start()
    }

    /// A bridge to be set up.
    pub fn builder<C: Channel>(
        client: Client,
        store: impl Store + 'static,
        channel: C,
    ) -> Builder<C> {
        Builder::new(client, Arc::new(store), channel)
    }

    pub(crate) fn start(
        shared: Arc<Shared>,
        account: AccountId,
        clients: Arc<BTreeMap<AccountId, Client>>,
    ) -> Self {
        let shared = Arc::new(EndOnDrop(shared));
        Self { shared, account, clients }
    }

    /// The same bridge for another account. `None` if it has no client of that account.
    #[must_use]
    pub fn of(&self, account: &AccountId) -> Option<Self> {
        let account = account.clone();
        self.clients.contains_key(&account).then(|| Self { account, ..self.clone() })
    }

    /// The account that this handle is for: that of the first client, unless it was made by [`of`](Self::of).
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// Accepts a message of the channel. It returns once the message is stored, and from then on it is sent once,
    /// in order, whatever happens to this program. The same id of the same consumer again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`]: it is not accepted, unless its answer was lost. The channel sends it again.
    pub fn accept(
        &self,
        consumer: &ExtConsumerId,
        message: Inbound,
    ) -> Result<Accepted, StoreError> {
        let message = message.accepted_at(Timestamp::from_system_time(SystemTime::now()));
        self.append(bridge::accept(&self.account, consumer, message)).map(|()| Accepted)
    }

    /// Takes what the channel reports of messages that it took, by the ids of their deliveries. The agent sees
    /// it.
    ///
    /// # Errors
    /// [`ReportError`] if an id is not that of a message, and if the store does not take it.
    pub fn report(
        &self,
        consumer: &ExtConsumerId,
        messages: &[&str],
        receipt: ChannelReceipt,
    ) -> Result<(), ReportError> {
        let entries = bridge::report(&self.account, consumer, messages, receipt)?;
        Ok(self.append(entries)?)
    }

    /// Removes everything about a consumer, once nothing of theirs is unconfirmed: what is accepted and not sent, their
    /// conversations, statuses and dead letters. It looks at all conversations and dead letters of the account, so it
    /// takes a while in a large store. News of them that come later are stored again.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not take it.
    pub fn forget(&self, consumer: &ExtConsumerId) -> Result<(), StoreError> {
        let mut forgetting = Forgetting::new(self.account.clone(), consumer.clone());
        while let Some(request) = forgetting.request() {
            forgetting.handle(self.list(request)?);
        }
        self.append(forgetting.into_entries())
    }

    /// Decides about a message that is held or unconfirmed, by the channel's id.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not take it.
    pub fn resolve(
        &self,
        consumer: &ExtConsumerId,
        message: &str,
        resolution: Resolution,
    ) -> Result<(), StoreError> {
        self.append(vec![bridge::resolve(&self.account, consumer, message, resolution)])
    }

    /// Puts a dead letter back at the end of its lane.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not take it.
    pub fn replay(&self, dead_letter: &str) -> Result<(), StoreError> {
        self.append(vec![bridge::replay(&self.account, dead_letter)])
    }

    /// Removes a dead letter.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not take it.
    pub fn delete(&self, dead_letter: &str) -> Result<(), StoreError> {
        self.append(vec![bridge::delete(&self.account, dead_letter)])
    }

    /// An operator says that this open conversation is the consumer's, where nothing else leads to it: see
    /// [`adopt`](lp_connector_core::bridge::adopt).
    ///
    /// # Errors
    /// [`StoreError`] if the store does not take it.
    pub fn adopt(
        &self,
        consumer: &ExtConsumerId,
        conversation: ConversationId,
    ) -> Result<(), StoreError> {
        self.append(vec![bridge::adopt(&self.account, consumer, conversation)])
    }

    /// Shows the agent that the consumer is typing, or is not any more. It is never stored, and without an open
    /// conversation, and while a survey runs, nothing happens. The agent sees it until it is ended: a message does not end it.
    ///
    /// # Errors
    /// [`TypingError`]: a loss of it is harmless.
    pub fn typing(&self, consumer: &ExtConsumerId, is_typing: bool) -> Result<(), TypingError> {
        let summary = self.consumer(consumer)?;
        let Some(to) =
            summary.as_ref().filter(|one| !one.survey).and_then(ConsumerSummary::reference)
        else {
            return Ok(());
        };
        let state = if is_typing { ChatState::Composing } else { ChatState::Active };
        let sent = self.set_chat_state(SetChatState::new(to, state));
        match sent {
            Err(error) if error.kind() != ErrorKind::ConversationClosed => {
                Err(TypingError::Call(error))
            }
            _ => Ok(()),
        }
    }

    /// What the store knows of a consumer, for people. `None`: nothing, or nothing that can be read.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    pub fn consumer(
        &self,
        consumer: &ExtConsumerId,
    ) -> Result<Option<ConsumerSummary>, StoreError> {
        let request = listing::consumer(&self.account, consumer);
        self.list(request).map(listing::consumer_of)
    }

    /// The dead letters of this account whose id comes after `after`, for people: at most `limit`, and at most 1000.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    pub fn dead_letters(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DeadLetters, StoreError> {
        let request = listing::dead_letters(&self.account, after, limit);
        self.list(request).map(|answer| listing::dead_letters_of(answer, limit))
    }

    /// Takes a notification, for a web server of your own: answer 200 if this succeeds, and 503 if not. It takes
    /// no longer than 2.0 s.
    ///
    /// # Errors
    /// [`StoreError`]: LivePerson must send it again.
    pub fn receive(&self, notification: &Verified) -> Result<(), StoreError> {
        let deadline = Instant::now().checked_add(STORE_TIMEOUT);
        appended(self.shared.0.receive(&self.account, notification).wait_until(deadline))
    }

    /// Takes a notification for whichever account of this bridge it is, for one webhook address of several accounts:
    /// otherwise as [`receive`](Self::receive). The account is that whose own secret signed it
    /// ([`Receiver::app`](lp_connector_core::webhook::Receiver::app)).
    ///
    /// # Errors
    /// As [`receive`](Self::receive), and of the kind
    /// [`Refused`](lp_connector_core::bridge::store::StoreErrorKind::Refused) if the signature proves no account, or one
    /// that the bridge has no client of.
    pub fn receive_for_all(&self, notification: &Verified) -> Result<(), StoreError> {
        let bridge = self.proven(notification)?;
        bridge.receive(notification)
    }

    /// The same bridge for the account that the notification is proven to be of.
    fn proven(&self, notification: &Verified) -> Result<Self, StoreError> {
        let account = notification.proven_account();
        account.and_then(|account| self.of(&account)).ok_or_else(|| {
            let why = "the notification is not proven to be of an account of this bridge";
            StoreError::new(StoreErrorKind::Refused, why)
        })
    }

    fn set_chat_state(&self, operation: SetChatState) -> Result<(), Error> {
        let Some(client) = self.clients.get(&self.account) else { return Ok(()) };
        let request = client.request(operation).timeout(TYPING_TIMEOUT).retry(RetryPolicy::none());
        request.send().map(drop)
    }

    fn list(&self, request: Request) -> Result<Answer, StoreError> {
        answered(self.shared.0.list(request).wait_until(None))
    }

    fn append(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        appended(self.shared.0.append(entries).wait_until(None))
    }

    /// The store: to list lanes and dead letters, by [`Request::List`](crate::store::Request::List).
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        self.shared.0.store()
    }

    /// The programs that run a bridge on this store, this one among them, in the order of their random ids. One that ended
    /// without a [drain](Self::drain) is in it for 30 s more, or 30 s after this one started; of another one, what it wrote
    /// down last, in the last 10 s.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    pub fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let answer = self.list(bridge::instances_request());
        self.shared.0.instances(answer)
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> WorkerCounters {
        self.shared.0.counters()
    }

    /// The number of lanes that this program works on.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.shared.0.lanes()
    }

    /// The number of lanes of this kind that this program works on.
    #[must_use]
    pub fn lanes_of(&self, kind: LaneKind) -> usize {
        self.shared.0.lanes_of(kind)
    }

    /// True until the bridge is drained.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.0.is_running()
    }

    /// Stops well: begins nothing more, ends what is under way, commits it, and releases all lanes, so that
    /// another program goes on at once. After `most` it stops in any case; then its lanes wait for the rest of
    /// their terms. True if everything ended in time.
    ///
    /// [`accept`](Self::accept) and [`receive`](Self::receive) still store what comes.
    pub fn drain(&self, most: Duration) -> bool {
        let shared = &self.shared.0;
        shared.stop();
        let deadline = Instant::now().checked_add(most);
        let in_time = loop {
            let over = shared.over();
            if !shared.is_running() {
                break true;
            }
            match deadline {
                None => over.wait(),
                Some(deadline) if over.wait_deadline(deadline).is_none() => break false,
                Some(_) => {}
            }
        };
        shared.end();
        in_time
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge")
            .field("account", &self.account)
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}
