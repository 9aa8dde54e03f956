//! Files at the storage service (protocol.md 8.2, steps 3 and 5): no credentials but the address.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::{
    ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
    RelativeRequest, ResponseView, Service, SignedUrl,
};

/// Puts a file at its signed address (protocol.md 8.2, step 3). The agent sees nothing of it before it
/// is published. Status 401 says that the address has ended.
#[derive(Clone)]
pub struct PutFile {
    url: SignedUrl,
    bytes: Bytes,
}

impl PutFile {
    /// These bytes, at this address.
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
        // The same bytes at the same place.
        Idempotency::Idempotent
    }

    fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let kind = HeaderValue::from_static("application/octet-stream");
        let request =
            RelativeRequest::put(self.url.segments(), self.url.query(), self.bytes.clone());
        Ok(request.header(CONTENT_TYPE, kind))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        // 201 is documented; any success will do.
        if matches!(response.status(), 200..=299) { Ok(()) } else { Err(response.rejection()) }
    }
}

/// Gets a file from its signed address (protocol.md 8.2, step 5): no more bytes than
/// [`Config::max_body`](crate::connector::Config::max_body).
#[derive(Clone, Debug)]
pub struct GetFile {
    url: SignedUrl,
}

impl GetFile {
    /// What is at this address.
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
    fn a_file_is_put_on_any_success_and_got_on_200_alone() {
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
