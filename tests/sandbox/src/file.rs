//! Files at the storage service
//! ([protocol.md 8](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#8)).

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::journal::Subject;
use crate::kept::Weigh;
use crate::request::{fields, text};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;
use crate::saved;

/// How long a signed URL is valid
/// ([protocol.md 8.2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#8.2)).
const URL_LIFETIME: Duration = Duration::from_secs(60);

/// The largest file, in bytes
/// ([protocol.md 8.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#8.1)).
pub(crate) const MAX_FILE_SIZE: u64 = 3 * 1024 * 1024;

/// With these headers a browser runs nothing of a file that it opens.
const INERT: [(HeaderName, &str); 2] =
    [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (CONTENT_SECURITY_POLICY, "sandbox")];

const FILE_TYPES: [&str; 4] = ["JPG", "JPEG", "PNG", "GIF"];

/// A stored file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredFile {
    pub(crate) number: u64,
    /// The name that the agent gave it; a consumer's has none here.
    pub(crate) name: Option<String>,
    #[serde(with = "saved::bytes")]
    pub(crate) bytes: Bytes,
    pub(crate) at: Duration,
}

impl StoredFile {
    /// Its type by the signature of its bytes: a file is not trusted to be what it is called.
    pub(crate) fn media_type(&self) -> &'static str {
        match &*self.bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
            _ => "application/octet-stream",
        }
    }
}

impl Weigh for StoredFile {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.name.as_ref().map_or(0, String::len)
    }
}

impl Weigh for SignedUrl {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.path.len()
    }
}

/// A signed URL.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SignedUrl {
    path: String,
    #[serde(with = "saved::text")]
    method: Method,
    until: Duration,
}

/// SEND `ms.GenerateURLForUploadFile`.
pub(crate) fn upload_url(
    sandbox: &mut Sandbox,
    now: Duration,
    consumer: &str,
    body: &Value,
    id: &str,
) -> HttpResponse {
    // A string in the schema, a number in one tutorial (protocol.md 14, row 31).
    let size = match body.get("fileSize") {
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(number) => number.as_u64(),
        None => None,
    };
    let kind = text(body, "fileType").unwrap_or_default();
    match size {
        Some(size) if (1..=MAX_FILE_SIZE).contains(&size) => {}
        _ => return response::bad_request("fileSize must be from 1 to 3 MB", id),
    }
    if !FILE_TYPES.contains(&kind) {
        return response::bad_request("no such fileType", id);
    }
    let (account, lp) = (sandbox.config.account.clone(), sandbox.lp_consumer_id(consumer));
    let name = sandbox.random.uuid();
    // Opaque; shaped like the documented examples.
    let path =
        format!("/v1/AUTH_async-images/{account}/{lp}_uuid_{name}_21-03-2024_10-11-12-345.{kind}");
    signed(sandbox, now, path, Method::PUT, id)
}

/// SEND `ms.GenerateURLForDownloadFile`.
pub(crate) fn download_url(
    sandbox: &mut Sandbox,
    now: Duration,
    body: &Value,
    id: &str,
) -> HttpResponse {
    match text(body, "relativePath").map(str::to_owned) {
        Some(path) if path.starts_with('/') => signed(sandbox, now, path, Method::GET, id),
        _ => response::bad_request("relativePath is missing", id),
    }
}

fn signed(
    sandbox: &mut Sandbox,
    now: Duration,
    path: String,
    method: Method,
    id: &str,
) -> HttpResponse {
    let signature = sandbox.random.hex(2);
    let until = now + URL_LIFETIME;
    let body = json!({"relativePath": path, "queryParams": {
        "temp_url_sig": signature, "temp_url_expires": until.as_secs().to_string()}});
    sandbox.state.signed.insert(signature, SignedUrl { path, method, until });
    response::json(200, &response::ok(&body, id))
}

/// The storage service; the signature is the only credential.
pub(crate) fn storage(
    sandbox: &mut Sandbox,
    now: Duration,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    let fields = fields(request, false);
    let signature = fields.get("temp_url_sig").map(String::as_str).unwrap_or_default();
    let path = request.uri().path();
    // Pages put a slash between host and path, which has one already (protocol.md 14, row 32).
    let doubled = path.starts_with("//") && sandbox.tolerates("the path begins with //");
    let path = path.get(usize::from(doubled)..).unwrap_or(path);
    let valid = sandbox.state.signed.get(signature).is_some_and(|signed| {
        signed.path == path
            && signed.method == *request.method()
            && now < signed.until
            && fields.get("temp_url_expires") == Some(&signed.until.as_secs().to_string())
    });
    if !valid || request.headers().contains_key("authorization") {
        return response::json(401, &json!({"message": "the address is invalid or has expired"}));
    }
    if *request.method() == Method::PUT {
        if request.body().len() as u64 > MAX_FILE_SIZE {
            return response::json(413, &json!({"message": "too large"}));
        }
        let path = path.to_owned();
        sandbox.store_file(now, path, None, Bytes::copy_from_slice(request.body()));
        return response::json(201, &json!({}));
    }
    match sandbox.state.files.get(path) {
        Some(file) => {
            let mut response = HttpResponse::new(file.bytes.to_vec());
            // No content type is sent: a browser must not find one, and run a file that is a page.
            for (name, value) in INERT {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            response
        }
        None => response::json(404, &json!({"message": "no such file"})),
    }
}

impl Sandbox {
    /// The bytes of a file that was uploaded, or sent by the agent.
    #[must_use]
    pub fn file(&self, relative_path: &str) -> Option<&[u8]> {
        self.state.files.get(relative_path).map(|file| &*file.bytes)
    }

    /// Stores a file, and returns its number.
    pub(crate) fn store_file(
        &mut self,
        now: Duration,
        path: String,
        name: Option<String>,
        bytes: Bytes,
    ) -> u64 {
        self.state.stored += 1;
        let number = self.state.stored;
        self.state.files.insert(path, StoredFile { number, name, bytes, at: now });
        self.changed(Subject::Files);
        number
    }
}
