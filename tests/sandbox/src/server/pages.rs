//! The console's page, where it is compiled in.

use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use hyper::body::Bytes;
use ring::digest;

use crate::control::v1::Problem;
use crate::control::v1::router;

/// The response, if the path is one of a page.
pub(super) fn page(request: &Parts) -> Option<Result<Response<Bytes>, Problem>> {
    let path = request.uri.path();
    let name = match path {
        "/" => return Some(check_method(request).map(|()| moved())),
        "/console" | "/console/" => "index.html",
        _ => path.strip_prefix("/console/")?,
    };
    Some(check_method(request).and_then(|()| asset(request, name)))
}

fn check_method(request: &Parts) -> Result<(), Problem> {
    match request.method == Method::GET {
        true => Ok(()),
        false => Err(Problem::new(405, "no such method here").detail("there is GET")),
    }
}

fn moved() -> Response<Bytes> {
    let mut response = router::response(303, "", Bytes::new());
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/console"));
    response
}

fn asset(request: &Parts, name: &str) -> Result<Response<Bytes>, Problem> {
    let missing = || match cfg!(feature = "console") {
        true => Problem::new(404, "no such file"),
        false => Problem::new(404, "this program has no console")
            .detail("it is built without the feature console; GET /v1 is the API"),
    };
    let (kind, bytes) = find(name).ok_or_else(missing)?;
    let hash = digest::digest(&digest::SHA256, &bytes);
    let hash: String = hash.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = HeaderValue::try_from(format!("\"{hash}\"")).map_err(|_| missing())?;
    let known = request.headers.get_all(IF_NONE_MATCH).iter().any(|value| *value == tag);
    let mut response = match known {
        true => router::response(304, "", Bytes::new()),
        false => router::response(200, kind, bytes),
    };
    response.headers_mut().insert(ETAG, tag);
    // Kept, and asked for anew each time.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The type and the bytes of a file. A debug build reads it from `LP_CONSOLE_DIR`, if that is set.
#[cfg(feature = "console")]
fn find(name: &str) -> Option<(&'static str, Bytes)> {
    let found = crate::console::asset(name)?;
    #[cfg(debug_assertions)]
    if let Some(directory) = std::env::var_os("LP_CONSOLE_DIR") {
        // Only what the program has: the name is one of its own.
        let bytes = std::fs::read(std::path::Path::new(&directory).join(found.path)).ok()?;
        return Some((found.kind, bytes.into()));
    }
    Some((found.kind, Bytes::from_static(found.bytes)))
}

#[cfg(not(feature = "console"))]
fn find(_: &str) -> Option<(&'static str, Bytes)> {
    None
}
