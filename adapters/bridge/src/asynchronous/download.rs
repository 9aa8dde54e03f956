//! The bytes of a file, fetched when they are wanted.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lp_connector_async::{Bytes, Client, Runtime};
use lp_connector_core::api::{ConversationRef, GenerateDownloadUrl, GetFile};
use lp_connector_core::error::{Error, ErrorKind};

use super::File;

type Downloading<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send + 'a>>;

/// A way to LivePerson's storage, through the client of an account.
#[derive(Clone)]
pub struct Download(Option<Arc<dyn Fetch>>);

trait Fetch: Send + Sync {
    fn fetch<'a>(&'a self, from: &'a ConversationRef, path: &'a str) -> Downloading<'a>;
}

struct ClientWithLimit<R: Runtime> {
    client: Client<R>,
    limit: Duration,
}

impl Download {
    /// `None` for an account without a client.
    pub(crate) fn new<R: Runtime>(client: Option<Client<R>>, limit: Duration) -> Self {
        Self(client.map(|client| Arc::new(ClientWithLimit { client, limit }) as Arc<dyn Fetch>))
    }
}

impl<R: Runtime> Fetch for ClientWithLimit<R> {
    fn fetch<'a>(&'a self, from: &'a ConversationRef, path: &'a str) -> Downloading<'a> {
        Box::pin(async move {
            let get_url = GenerateDownloadUrl::new(from, path);
            let url = self.client.request(get_url).timeout(self.limit).send().await?.output;
            Ok(self.client.request(GetFile::new(url)).timeout(self.limit).send().await?.output)
        })
    }
}

impl File {
    /// Downloads the file ([protocol.md 8.2](lp_connector_core::protocol#8.2), step 5).
    ///
    /// # Errors
    /// As any call. As an [`Undelivered`](crate::Undelivered), by `?`, it is an outage unless LivePerson rejects
    /// the download.
    pub async fn bytes(&self) -> Result<Bytes, Error> {
        let Some(fetch) = &self.downloads.0 else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the bridge has no client of this account",
            ));
        };
        let (conversation, path) = self.place();
        fetch.fetch(conversation, path).await
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Download")
    }
}
