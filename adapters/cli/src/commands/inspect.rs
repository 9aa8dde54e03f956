//! Shows hosts, the app's token and a consumer's token.

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
    let hosts = match service {
        Some(name) => {
            let service = Service::named(name);
            let origin = client.call(ResolveDomain::new(service.clone()))?.output;
            vec![(service, origin.authority().to_owned())]
        }
        None => client.call(ListDomains::new())?.output,
    };
    for (service, host) in hosts {
        let event = json!({"event": "domain", "service": service.name(), "host": host});
        output.done(&event, format!("{:<24} {host}", service.name()));
    }
    Ok(())
}

/// `configured` is the configured client id, for a token that does not state one.
pub(crate) fn token(
    client: &Client,
    configured: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let authorization = client.call(AuthorizeApp::new())?.output;
    let claims = authorization.claims;
    let client_id = claims.authorized_party.as_deref().or(configured);
    let scope = claims.scope.as_deref();
    let expires_in = authorization.remaining.as_secs();
    output.done(
        &json!({"event": "app_jwt", "client_id": client_id, "scope": scope,
            "expires_in": expires_in}),
        format!(
            "authorized: app {}, scope {}, expires in {expires_in} s",
            client_id.unwrap_or("?"),
            scope.unwrap_or("?")
        ),
    );
    Ok(())
}

pub(crate) fn consumer(client: &Client, consumer: &str, output: &Output) -> Result<(), Failure> {
    let ext = ExtConsumerId::new(consumer)?;
    let claims = client.call(IdentifyConsumer::new(ext.clone()))?.output;
    let lp = claims.lp_consumer_id.as_ref().map(|id| id.as_str());
    output.done(
        &json!({"event": "consumer", "ext_consumer_id": ext.as_str(), "lp_consumer_id": lp}),
        format!("consumer {ext} has the LivePerson id {}", lp.unwrap_or("?")),
    );
    Ok(())
}
