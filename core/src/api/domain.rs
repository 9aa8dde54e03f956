//! The Domain API: the host of each service.
//!
//! * `GET /api/account/{accountId}/service/{serviceName}/baseURI.json?version=1.0`
//!   ([protocol.md 2.1](crate::protocol#2.1))
//! * `GET /api/account/{accountId}/service/baseURI.json?version=1.0`
//!   ([protocol.md 2.1](crate::protocol#2.1))

use serde_json::Value;

use super::response::take;
use super::{
    ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
    RelativeRequest, ResponseView, Service,
};
use crate::id::AccountId;

/// The most services to parse from one response.
const MAX_SERVICES: usize = 1000;

/// Requests the host of one service ([protocol.md 2.1](crate::protocol#2.1), first row).
pub(crate) fn request_one(account: &AccountId, service: &Service) -> RelativeRequest {
    let path = ["api", "account", account.as_str(), "service", service.name(), "baseURI.json"];
    RelativeRequest::get(path, [("version", "1.0")])
}

/// Requests the hosts of all services ([protocol.md 2.1](crate::protocol#2.1), second row).
pub(crate) fn request_all(account: &AccountId) -> RelativeRequest {
    let path = ["api", "account", account.as_str(), "service", "baseURI.json"];
    RelativeRequest::get(path, [("version", "1.0")])
}

/// Parses the services and their base URIs. Accepts both shapes for both requests
/// ([protocol.md 2.2](crate::protocol#2.2); 14, row 40), and skips invalid entries.
pub(crate) fn parse(response: &ResponseView<'_>) -> Result<Vec<(Service, String)>, ApiRejection> {
    let mut document = response.json()?;
    let entries = match document.get_mut("baseURIs").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        Some(bare) => vec![bare], // protocol.md 1.4, rule 2
        None => match document {
            Value::Array(entries) => entries,
            one => vec![one],
        },
    };
    let found: Vec<_> = entries.into_iter().take(MAX_SERVICES).filter_map(entry).collect();
    if found.is_empty() {
        return Err(ApiRejection::unreadable("the answer has no service with a baseURI"));
    }
    Ok(found)
}

fn entry(mut entry: Value) -> Option<(Service, String)> {
    let service = entry.get_mut("service").map(Value::take);
    match (service, take(entry, "baseURI")) {
        (Some(Value::String(service)), Value::String(uri)) => Some((Service::named(service), uri)),
        _ => None,
    }
}

/// Lists all services of the account and their hosts.
///
/// `GET /api/account/{accountId}/service/baseURI.json?version=1.0` at the Domain API
/// ([protocol.md 2.1](crate::protocol#2.1)), without a token. Idempotent.
///
/// The hosts are as received: neither checked nor cached. Invalid entries are skipped. Fails with
/// [`BadAnswer`](crate::error::ErrorKind::BadAnswer) if none is valid.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListDomains;

impl ListDomains {
    /// A request for all services.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Operation for ListDomains {
    type Output = Vec<(Service, String)>;

    const NAME: &'static str = "list_domains";

    fn endpoint(&self) -> Endpoint {
        Endpoint::DomainApi
    }

    fn principal(&self) -> Principal {
        Principal::Anonymous
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        Ok(request_all(context.account()))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Self::Output, ApiRejection> {
        parse(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn read_text(body: &str) -> Result<Vec<(Service, String)>, ApiRejection> {
        parse(&ResponseView::new(&Response::new(body.to_owned().into()), false))
    }

    #[test]
    fn both_shapes_and_a_bare_element_are_parsed() {
        let one = r#"{"service":"idp","account":"91827364","baseURI":"va.idp.example.net"}"#;
        let expected = vec![(Service::IDP, "va.idp.example.net".to_owned())];
        for body in [
            one.to_owned(),
            format!(r#"{{"baseURIs":[{one}]}}"#),
            format!(r#"{{"baseURIs":{one}}}"#),
            format!("[{one}]"),
        ] {
            assert_eq!(read_text(&body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn an_invalid_entry_is_skipped() {
        let body = r#"{"baseURIs":[{"service":1},null,{"service":"idp","baseURI":"h"},"x"]}"#;
        assert_eq!(read_text(body).unwrap().len(), 1);
    }

    #[test]
    fn a_response_without_services_is_unreadable() {
        for body in ["{}", "[]", r#"{"baseURIs":[]}"#, "null", "7", "<html></html>", ""] {
            assert!(read_text(body).is_err(), "{body}");
        }
    }
}
