//! What a connector needs before it speaks: hosts and tokens.

use lp_connector_core::api::{AuthorizeApp, IdentifyConsumer, ListDomains, ResolveDomain, Service};
use lp_connector_core::id::ExtConsumerId;
use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn domains(
    client: &Client,
    service: Option<String>,
    output: &Output,
) -> Result<(), Failure> {
    let found = match service {
        Some(name) => {
            let service = Service::named(name);
            let origin = client.call(ResolveDomain::new(service.clone()))?.output;
            vec![(service, origin.authority().to_owned())]
        }
        None => client.call(ListDomains::new())?.output,
    };
    for (service, host) in found {
        let event = json!({"event": "domain", "service": service.name(), "host": host});
        output.done(&event, format!("{:<24} {host}", service.name()));
    }
    Ok(())
}

/// `asked` is the client id that was given, for a token that does not name one.
pub(crate) fn token(client: &Client, asked: Option<&str>, output: &Output) -> Result<(), Failure> {
    let authorization = client.call(AuthorizeApp::new())?.output;
    let claims = authorization.claims;
    let client_id = claims.authorized_party.as_deref().or(asked);
    let scope = claims.scope.as_deref();
    let expires_in = authorization.remaining.as_secs();
    output.done(
        &json!({"event": "app_jwt", "client_id": client_id, "scope": scope,
            "expires_in": expires_in}),
        format!(
            "authorised: app {}, scope {}, for {expires_in} s",
            client_id.unwrap_or("?"),
            scope.unwrap_or("?")
        ),
    );
    Ok(())
}

pub(crate) fn consumer(client: &Client, consumer: &str, output: &Output) -> Result<(), Failure> {
    let ext = ExtConsumerId::new(consumer).map_err(|bad| Failure::usage(bad.to_string()))?;
    let claims = client.call(IdentifyConsumer::new(ext.clone()))?.output;
    let lp = claims.lp_consumer_id.as_ref().map(|id| id.as_str());
    output.done(
        &json!({"event": "consumer", "ext_consumer_id": ext.as_str(), "lp_consumer_id": lp}),
        format!("consumer {ext} is known to LivePerson as {}", lp.unwrap_or("?")),
    );
    Ok(())
}
