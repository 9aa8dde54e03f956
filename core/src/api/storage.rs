//! Uploads and downloads files at the storage service. The signed URL is the only credential.
//!
//! * `PUT {relativePath}?{queryParams}` ([protocol.md 8.2](crate::protocol#8.2), step 3)
//! * `GET {relativePath}?{queryParams}` ([protocol.md 8.2](crate::protocol#8.2), step 5)

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::{
    ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
    RelativeRequest, ResponseView, Service, SignedUrl,
};

/// Uploads a file to its signed URL. The agent does not see it before
/// [`SendFile`](super::SendFile) publishes it.
///
/// `PUT {relativePath}?{queryParams}` at the service `swift`
/// ([protocol.md 8.2](crate::protocol#8.2), step 3), without a token. Idempotent: the same bytes at
/// the same path. Status 401 means that the URL is invalid or has expired; it is valid for about a
/// minute.
#[derive(Clone)]
pub struct PutFile {
    url: SignedUrl,
    bytes: Bytes,
}

impl PutFile {
    /// Uploads these bytes to this URL.
    #[must_use]
    pub fn new(url: SignedUrl, bytes: impl Into<Bytes>) -> Self {
        Self { url, bytes: bytes.into() }
    }
}

impl fmt::Debug for PutFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutFile").field("url", &self.url).field("len", &self.bytes.len()).finish()
    }
}

impl Operation for PutFile {
    type Output = ();

    const NAME: &'static str = "put_file";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::STORAGE)
    }

    fn principal(&self) -> Principal {
        Principal::Anonymous
    }

    fn idempotency(&self) -> Idempotency {
        // The same bytes at the same path.
        Idempotency::Idempotent
    }

    fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let kind = HeaderValue::from_static("application/octet-stream");
        let request =
            RelativeRequest::put(self.url.segments(), self.url.query(), self.bytes.clone());
        Ok(request.header(CONTENT_TYPE, kind))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        // The documents name 201; any 2xx is accepted.
        if matches!(response.status(), 200..=299) { Ok(()) } else { Err(response.rejection()) }
    }
}

/// Downloads a file from its signed URL: at most
/// [`Config::max_body`](crate::connector::Config::max_body) bytes.
///
/// `GET {relativePath}?{queryParams}` at the service `swift`
/// ([protocol.md 8.2](crate::protocol#8.2), step 5), without a token. Idempotent. Status 401 means
/// that the URL is invalid or has expired; it is valid for about a minute. Only status 200 is a
/// success.
#[derive(Clone, Debug)]
pub struct GetFile {
    url: SignedUrl,
}

impl GetFile {
    /// Downloads the file at this URL.
    #[must_use]
    pub fn new(url: SignedUrl) -> Self {
        Self { url }
    }
}

impl Operation for GetFile {
    type Output = Bytes;

    const NAME: &'static str = "get_file";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::STORAGE)
    }

    fn principal(&self) -> Principal {
        Principal::Anonymous
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let any = HeaderValue::from_static("*/*");
        let request = RelativeRequest::get(self.url.segments(), self.url.query());
        Ok(request.header(http::header::ACCEPT, any))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Bytes, ApiRejection> {
        if response.status() == 200 { Ok(response.to_bytes()) } else { Err(response.rejection()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn url() -> SignedUrl {
        use crate::api::ConversationRef;
        use crate::id::{ConversationId, ExtConsumerId};
        let answer = br#"{"code":"OK","body":{"relativePath":"/a","queryParams":{"s":"1"}}}"#;
        let ada = ExtConsumerId::new("ada").unwrap();
        let conversation = ConversationRef::new(ada, ConversationId::new("c").unwrap());
        let response = Response::new(Bytes::from_static(answer));
        let asked = crate::api::GenerateUploadUrl::new(&conversation, 3, "PNG");
        asked.parse(&ResponseView::new(&response, false)).unwrap()
    }

    #[test]
    fn an_upload_succeeds_on_2xx_a_download_on_200() {
        let (put, get) = (PutFile::new(url(), vec![1]), GetFile::new(url()));
        for (status, is_put, is_got) in [
            (200, true, true),
            (201, true, false),
            (206, true, false),
            (302, false, false),
            (401, false, false),
            (500, false, false),
        ] {
            let answer =
                Response::builder().status(status).body(Bytes::from_static(&[7, 8])).unwrap();
            let response = ResponseView::new(&answer, false);
            assert_eq!(put.parse(&response).is_ok(), is_put, "{status}");
            assert_eq!(get.parse(&response).ok(), is_got.then(|| vec![7, 8].into()), "{status}");
        }
    }
}
