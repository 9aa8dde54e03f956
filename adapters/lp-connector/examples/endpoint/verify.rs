//! A request of a blocking server, checked.

use std::io::Read as _;

use lp_connector::http::{Request, StatusCode};
use lp_connector::webhook::{Receiver, Rejection, SUCCESS, Verified};

/// The status for a request: success if it is genuine, and kept. If it is not kept, the platform sends it again.
pub(crate) fn status(
    request: &mut tiny_http::Request,
    receiver: &Receiver,
    keep: impl FnOnce(Verified) -> bool,
) -> u16 {
    let status = match verify(request, receiver).map(keep) {
        Ok(true) => SUCCESS,
        Ok(false) => StatusCode::SERVICE_UNAVAILABLE,
        Err(rejection) => rejection.status(),
    };
    status.as_u16()
}

fn verify(request: &mut tiny_http::Request, receiver: &Receiver) -> Result<Verified, Rejection> {
    let mut head = Request::builder().method(request.method().as_str());
    for header in request.headers() {
        head = head.header(header.field.as_str().as_str(), header.value.as_str());
    }
    // A head that cannot be parsed has no signature.
    let head = head.body(()).map_err(|_| Rejection::Unsigned)?;
    let pending = receiver.begin(head.method(), head.headers())?;
    let mut body = Vec::new();
    // One byte more than is accepted shows that it is too large.
    let limit = (pending.max_body() as u64).saturating_add(1);
    // The signature of a body that ends early is wrong.
    let _ = request.as_reader().take(limit).read_to_end(&mut body);
    pending.finish(body)
}
