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

    /// The same, with paths and limits of your own.
    pub fn webhooks_with(&self, webhooks: Webhooks) -> Router {
        let bridge = self.clone();
        webhooks.durable(move |notification: Verified| {
            let bridge = bridge.clone();
            async move { bridge.store_notification(&notification).await }
        })
    }
}
