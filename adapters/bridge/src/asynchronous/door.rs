//! The durable webhook endpoint on axum.

use axum::Router;
use lp_connector_axum::Webhooks;
use lp_connector_core::webhook::{Receiver, Verified};

use super::Bridge;

impl Bridge {
    /// A router for this account's webhooks, at every path. It answers 200 only once the notification is stored,
    /// and 503 if that fails or takes longer than 2.0 s: then LivePerson sends it again.
    ///
    /// The router keeps the bridge running.
    pub fn webhooks(&self, receiver: Receiver) -> Router {
        self.webhooks_with(Webhooks::new(receiver))
    }

    /// A router for the webhooks of all accounts of this bridge, at one address. The receiver must know each account and
    /// app by its own secrets ([`Receiver::app`]): a notification goes to the account whose secret signed it. One that is
    /// signed with a [secret for any account](Receiver::secret) is not stored, and answered 503.
    pub fn webhooks_for_all(&self, receiver: Receiver) -> Router {
        self.webhooks_for_all_with(Webhooks::new(receiver))
    }

    /// The same, with paths and limits of your own.
    pub fn webhooks_for_all_with(&self, webhooks: Webhooks) -> Router {
        let bridge = self.clone();
        webhooks.durable(move |notification: Verified| {
            let bridge = bridge.clone();
            async move { bridge.proven(&notification)?.store_notification(&notification).await }
        })
    }

    /// The same as [`webhooks`](Self::webhooks), with paths and limits of your own.
    pub fn webhooks_with(&self, webhooks: Webhooks) -> Router {
        let bridge = self.clone();
        webhooks.durable(move |notification: Verified| {
            let bridge = bridge.clone();
            async move { bridge.store_notification(&notification).await }
        })
    }
}
