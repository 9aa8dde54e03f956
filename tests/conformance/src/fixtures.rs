//! What the cases work with: a sandbox, a configuration for it, a probe.

use std::time::Duration;

use lp_connector_core::api::{
    Answer, Authority, Context, Draft, InvalidInput, OpenConversation, Operation, Plan, Refusal,
    Repeat, Target,
};
use lp_connector_core::connector::{Config, Proxy, Trust};
use lp_connector_core::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use lp_connector_sandbox::{Server, ServerConfig};

use crate::Adapter;

/// The documented policy, with pauses that a test can wait for.
pub(crate) fn quick() -> RetryPolicy {
    RetryPolicy::documented().pauses([Duration::from_millis(1); 3])
}

/// A sandbox that goes wrong so.
pub(crate) fn cloud(faults: &[&str]) -> Server {
    let server = Server::start(ServerConfig::new()).unwrap();
    for fault in faults {
        server.with(|cloud| cloud.fault(fault.parse().unwrap()));
    }
    server
}

pub(crate) fn config(server: &Server) -> Config {
    let app = server.with(|cloud| cloud.config().app().unwrap().clone());
    let secret = Secret::new(app.client_secret().to_owned());
    at(&server.base_url()).credentials(ClientId::new(app.client_id()).unwrap(), secret)
}

/// A configuration for whatever listens there.
pub(crate) fn at(url: &str) -> Config {
    Config::new(AccountId::new("91827364").unwrap())
        .trust(Trust::new(url, ["liveperson.net"]).unwrap())
        .proxy(Proxy::None)
        .retry(quick())
}

pub(crate) fn ada() -> ExtConsumerId {
    ExtConsumerId::new("pigeon-ring-0042").unwrap()
}

pub(crate) fn open<A: Adapter>(client: &A) -> ConversationId {
    client.call(OpenConversation::new(ada())).unwrap().output.conversation
}

/// One `POST` to the address of the Domain API, which shows if it happens twice.
#[derive(Clone, Debug)]
pub(crate) struct Probe;

impl Operation for Probe {
    type Output = String;

    fn name(&self) -> &'static str {
        "probe"
    }

    fn target(&self) -> Target {
        Target::DomainApi
    }

    fn authority(&self) -> Authority {
        Authority::Nobody
    }

    fn repeat(&self) -> Repeat {
        Repeat::Visible
    }

    fn plan(&self, _: &Context<'_>) -> Result<Plan<String>, InvalidInput> {
        Draft::post_json(["probe"], [("v", "1")], &"Coo?").map(Plan::Send)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<String, Refusal> {
        match answer.status() {
            200 => Ok(String::from_utf8_lossy(answer.body()).into_owned()),
            status => Err(Refusal::status(status)),
        }
    }
}
