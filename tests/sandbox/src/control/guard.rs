//! Who may ask: the checks of the control API's listener, before anything else is looked at.
//!
//! A page of another origin in the user's browser can send requests to loopback. Each check stops one way.

use http::request::Parts;
use http::{HeaderMap, Method};

use crate::control::v1::Problem;

/// The types of a write's body: a form of another page cannot have them.
pub(crate) const IMAGE_TYPES: [&str; 3] = ["image/png", "image/jpeg", "image/gif"];

/// The pages that another site may link to.
const PAGES: [&str; 3] = ["/", "/console", "/console/"];

/// Checks a request to the listener at this port.
pub(crate) fn guard(request: &Parts, port: u16) -> Result<(), Problem> {
    let host = check_host(request, port)?;
    check_site(request)?;
    check_origin(&request.headers, &host)?;
    if request.method == Method::OPTIONS {
        return Err(Problem::new(403, "other origins may not ask"));
    }
    check_type(request)
}

/// Exactly one `Host`, which is a name of this machine with the listener's port. Another name is that of a site
/// whose address was changed to loopback.
fn check_host(request: &Parts, port: u16) -> Result<String, Problem> {
    let own = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
    let wrong = || {
        let detail = format!("it must be one of {}", own.join(", "));
        Problem::new(421, "this is no host of the control API").detail(detail)
    };
    let host = only(&request.headers, "host").and_then(Result::ok).ok_or_else(wrong)?;
    let is_own = |name: &str| own.iter().any(|own| own == name);
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    let is_http = request.uri.scheme_str().is_none_or(|scheme| scheme == "http");
    match is_own(host) && authority.is_none_or(is_own) && is_http {
        true => Ok(host.to_owned()),
        false => Err(wrong()),
    }
}

/// What a browser says of the page that asks. Other ports of this machine are `same-site`.
fn check_site(request: &Parts) -> Result<(), Problem> {
    let refused = || Problem::new(403, "another site may not ask");
    let site = match only(&request.headers, "sec-fetch-site") {
        None => return Ok(()),
        Some(site) => site.map_err(|()| refused())?,
    };
    let is = |name: &str, value: &str| {
        only(&request.headers, name).and_then(Result::ok).is_some_and(|found| found == value)
    };
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let navigates = is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document");
    match site {
        "same-origin" => Ok(()),
        "none" if reads => Ok(()),
        _ if reads && navigates && PAGES.contains(&request.uri.path()) => Ok(()),
        _ => Err(refused()),
    }
}

/// An origin, if there is one, is exactly ours.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    match only(headers, "origin") {
        None => Ok(()),
        Some(Ok(origin)) if origin.strip_prefix("http://") == Some(host) => Ok(()),
        Some(_) => Err(Problem::new(403, "another origin may not ask")),
    }
}

/// A write says that it is JSON, even without a body: what a browser sends to another origin without asking
/// cannot say so.
fn check_type(request: &Parts) -> Result<(), Problem> {
    if request.method == Method::GET || request.method == Method::HEAD {
        return Ok(());
    }
    let kind = only(&request.headers, "content-type").and_then(Result::ok).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind == "application/json" || IMAGE_TYPES.contains(&kind.as_str()) {
        true => Ok(()),
        false => Err(Problem::new(415, "a write needs the content type application/json")),
    }
}

/// The only value of a header: `None` if there is none, an error if there are several, or it is no text.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<Result<&'a str, ()>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    match values.next() {
        None => Some(first.to_str().map_err(|_| ())),
        Some(_) => Some(Err(())),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
