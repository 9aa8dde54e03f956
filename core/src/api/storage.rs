//! Files at the storage service (protocol.md 8.2, steps 3 and 5): no credentials but the address.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::{
    Answer, Authority, Context, Draft, InvalidInput, Operation, Plan, Refusal, Repeat, Service,
    SignedUrl, Target,
};

/// Puts a file at its signed address (protocol.md 8.2, step 3). The agent sees nothing of it before it
/// is published. Status 401 says that the address has ended.
#[derive(Clone)]
pub struct PutFile {
    url: SignedUrl,
    bytes: Arc<[u8]>,
}

impl PutFile {
    /// These bytes, at this address.
    #[must_use]
    pub fn new(url: SignedUrl, bytes: impl Into<Arc<[u8]>>) -> Self {
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

    fn name(&self) -> &'static str {
        "put_file"
    }

    fn target(&self) -> Target {
        Target::Service(Service::STORAGE)
    }

    fn authority(&self) -> Authority {
        Authority::Nobody
    }

    fn repeat(&self) -> Repeat {
        // The same bytes at the same place.
        Repeat::Idempotent
    }

    fn plan(&self, _: &Context<'_>) -> Result<Plan<()>, InvalidInput> {
        let kind = HeaderValue::from_static("application/octet-stream");
        let draft = Draft::put(self.url.segments(), self.url.query(), self.bytes.to_vec());
        Ok(Plan::Send(draft.header(CONTENT_TYPE, kind)))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), Refusal> {
        // 201 is documented; any success will do.
        if matches!(answer.status(), 200..=299) { Ok(()) } else { Err(answer.refusal()) }
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
    type Output = Vec<u8>;

    fn name(&self) -> &'static str {
        "get_file"
    }

    fn target(&self) -> Target {
        Target::Service(Service::STORAGE)
    }

    fn authority(&self) -> Authority {
        Authority::Nobody
    }

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }

    fn plan(&self, _: &Context<'_>) -> Result<Plan<Vec<u8>>, InvalidInput> {
        let any = HeaderValue::from_static("*/*");
        let draft = Draft::get(self.url.segments(), self.url.query());
        Ok(Plan::Send(draft.header(http::header::ACCEPT, any)))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Vec<u8>, Refusal> {
        if answer.status() == 200 { Ok(answer.body().to_vec()) } else { Err(answer.refusal()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn url() -> SignedUrl {
        use crate::id::{ConversationId, ExtConsumerId};
        let answer = br#"{"code":"OK","body":{"relativePath":"/a","queryParams":{"s":"1"}}}"#;
        let (ada, id) = (ExtConsumerId::new("ada").unwrap(), ConversationId::new("c").unwrap());
        let response = Response::new(answer.to_vec());
        let asked = crate::api::GenerateUploadUrl::new(ada, id, 3, "PNG");
        asked.read(&Answer::new(&response, false)).unwrap()
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
            let answer = Response::builder().status(status).body(vec![7, 8]).unwrap();
            let answer = Answer::new(&answer, false);
            assert_eq!(put.read(&answer).is_ok(), is_put, "{status}");
            assert_eq!(get.read(&answer).ok(), is_got.then(|| vec![7, 8]), "{status}");
        }
    }
}
