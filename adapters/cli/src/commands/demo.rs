//! A whole conversation with a sandbox.

use lp_connector_core::api::Service;
use lp_connector_core::connector::{Config, TRUSTED_SUFFIXES, Trust};
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;
use lp_connector_sandbox::{Endpoint, Server, ServerConfig};

use super::{converse, inspect, sandbox};
use crate::args::{Runtime, State, Who};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

const TEXTS: [&str; 3] = ["Hello, is anybody there?", "My pigeon is late 🐦", "Thank you, bye!"];

/// Starts a sandbox and prints its address.
pub(crate) fn start(output: &Output) -> Result<Server, Failure> {
    let server = Server::start(ServerConfig::new().seed(sandbox::seed()))
        .map_err(|error| Failure::Local(format!("cannot start the sandbox: {error}")))?;
    output.say(format!("The sandbox listens at {}", server.base_url()));
    if output.is_json() {
        output.done(&sandbox::settings(&server, None, None, None).event(), "");
    }
    Ok(server)
}

pub(crate) fn demo(runtime: Runtime, output: &Output) -> Result<(), Failure> {
    let server = start(output)?;
    output.say("");
    let client = Client::new(runtime, config(&server, output)?)?;

    output.say("The hosts:");
    for service in [Service::MESSAGING, Service::SENTINEL, Service::IDP] {
        inspect::domains(&client, Some(service.name().to_owned()), output)?;
    }
    output.say("\nThe app and the consumer:");
    inspect::token(&client, None, output)?;
    inspect::consumer(&client, &ada().consumer, output)?;
    output.say("\nThe conversation:");
    let conversation = converse::open(&client, &ada(), output)?;
    converse::typing(&client, &conversation, State::Composing, output)?;
    converse::send(&client, &conversation, &TEXTS.map(str::to_owned), output)?;
    converse::close(&client, &conversation, output)?;

    let count = |endpoint| server.requests(endpoint);
    output.say(format!(
        "\nThe sandbox received {} host look-ups, {} token request, {} consumer request, {} conversation \
         and {} messages,\nover {} connection.",
        count(Endpoint::Domain),
        count(Endpoint::Token),
        count(Endpoint::Consumer),
        count(Endpoint::Conversation),
        count(Endpoint::Send),
        server.connections(),
    ));
    Ok(())
}

/// The configuration for a sandbox: only the address differs from that for the real cloud.
pub(crate) fn config(server: &Server, output: &Output) -> Result<Config, Failure> {
    let local = |error: &dyn std::fmt::Display| Failure::Local(error.to_string());
    let (account, app) = server
        .with(|cloud| (cloud.config().account_id().to_owned(), cloud.config().app().cloned()));
    let app = app.ok_or_else(|| Failure::Local("the sandbox has no app".to_owned()))?;
    let client = ClientId::new(app.client_id()).map_err(|error| local(&error))?;
    let output = output.clone();
    Ok(Config::new(AccountId::new(account).map_err(|error| local(&error))?)
        .credentials(client, Secret::new(app.client_secret().to_owned()))
        .trust(Trust::new(&server.base_url(), TRUSTED_SUFFIXES)?)
        .observer(move |event| output.event(event)))
}

/// The consumer of the demos.
pub(super) fn ada() -> Who {
    Who {
        consumer: "pigeon-ring-0042".to_owned(),
        first_name: Some("Ada".to_owned()),
        last_name: Some("Dove".to_owned()),
        skill: None,
    }
}
