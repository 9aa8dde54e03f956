//! A sandbox and a client that talks to it.

use lp_connector_sandbox::{Server, ServerConfig};
use lp_connector_ureq::api::{ConversationRef, OpenConversation};
use lp_connector_ureq::connector::Trust;
use lp_connector_ureq::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_ureq::policy::RetryPolicy;
use lp_connector_ureq::secret::Secret;
use lp_connector_ureq::{Client, Config};
use std::time::Duration;

/// A configuration for `server`, with pauses that a test can wait for.
pub(crate) fn config(server: &Server) -> Config {
    let (account, app) = server.with(|cloud| {
        (cloud.config().account_id().to_owned(), cloud.config().app().unwrap().clone())
    });
    Config::new(AccountId::new(account).unwrap())
        .credentials(
            ClientId::new(app.client_id()).unwrap(),
            Secret::new(app.client_secret().to_owned()),
        )
        .trust(Trust::new(&server.base_url(), ["liveperson.net"]).unwrap())
        .retry(RetryPolicy::documented().pauses([Duration::from_millis(1); 3]))
}

pub(crate) fn server() -> Server {
    Server::start(ServerConfig::new()).unwrap()
}

pub(crate) fn faulty(faults: &[&str]) -> Server {
    let server = server();
    for fault in faults {
        server.with(|cloud| cloud.fault(fault.parse().unwrap()));
    }
    server
}

pub(crate) fn ada() -> ExtConsumerId {
    ExtConsumerId::new("pigeon-ring-0042").unwrap()
}

pub(crate) fn open(client: &Client) -> ConversationRef {
    client.open_conversation(OpenConversation::new(ada())).unwrap().output.conversation
}
