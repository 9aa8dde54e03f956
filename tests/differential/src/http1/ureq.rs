//! ureq-proto, driven as ureq drives it.

use http::Request;
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};

use super::{Input, LONGEST, Response};

/// The response as ureq-proto reads it, or its error.
pub(super) fn read(input: Input<'_>) -> Result<Response, String> {
    let text = |error: ureq_proto::Error| format!("{error:?}");
    let mut request = Request::new(());
    *request.method_mut() = input.method.clone();
    *request.uri_mut() = http::Uri::from_static("http://a.example:80/");
    let mut call = Call::new(request).map_err(text)?.proceed();
    call.write(&mut [0; 1024]).map_err(text)?;
    let Some(SendRequestResult::RecvResponse(mut call)) = call.proceed().map_err(text)? else {
        return Err("the request is not over".to_owned());
    };
    let mut rest = input.bytes;
    let head = loop {
        let (taken, head) = call.try_response(rest, false).map_err(text)?;
        rest = rest.get(taken..).unwrap_or_default();
        match head {
            Some(head) => break head.into_parts().0,
            None if taken == 0 => return Err("the head is incomplete".to_owned()),
            None => {}
        }
    };
    let mut body = Vec::new();
    let closes = match call.proceed().ok_or("no framing")? {
        RecvResponseResult::Cleanup(call) => call.must_close_connection(),
        RecvResponseResult::Redirect(call) => call.must_close_connection(),
        RecvResponseResult::RecvBody(mut call) => {
            let mut part = [0; LONGEST];
            loop {
                let (taken, length) = call.read(rest, &mut part).map_err(text)?;
                rest = rest.get(taken..).unwrap_or_default();
                body.extend_from_slice(part.get(..length).unwrap_or_default());
                if taken == 0 && length == 0 {
                    break;
                }
            }
            let ended = call.is_ended_chunked();
            match call.proceed() {
                Some(RecvBodyResult::Cleanup(call)) => call.must_close_connection(),
                Some(RecvBodyResult::Redirect(call)) => call.must_close_connection(),
                // The last chunk has come, and the connection closes before the end of the trailers.
                None if ended => true,
                None => return Err("the body is incomplete".to_owned()),
            }
        }
    };
    // ureq keeps no connection on which there is more to read.
    let reusable = !closes && rest.is_empty();
    Ok(Response { status: head.status, headers: head.headers, body, reusable })
}
