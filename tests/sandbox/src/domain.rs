//! The Domain API
//! ([protocol.md 2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#2)).

use http::Request;
use serde_json::{Value, json};

use crate::endpoint::Route;
use crate::request::{Version, fields};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;

pub(crate) fn lookup(
    sandbox: &mut Sandbox,
    route: &Route,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    if let Err(wrong) = Version::DOMAIN.check(sandbox, &fields(request, false)) {
        return response::json(400, &json!({"message": wrong}));
    }
    let config = &sandbox.config;
    if route.account != config.account {
        // "401 (bad site)", protocol.md 2.2.
        return response::json(401, &json!({"message": "no such site"}));
    }
    match &route.service {
        Some(service) => match config.base_uri(service) {
            // Names are case-sensitive; "400 (bad parameters)" is the nearest that is documented.
            None => response::json(400, &json!({"message": "no such service"})),
            Some(one) if config.swapped_domain_shapes => {
                response::json(200, &json!({"baseURIs": [one]}))
            }
            Some(one) => response::json(200, &one),
        },
        None if config.swapped_domain_shapes => {
            response::json(200, &Value::Array(config.base_uris()))
        }
        None => response::json(200, &json!({"baseURIs": config.base_uris()})),
    }
}
