//! The bytes of a file, fetched when they are wanted.

use std::fmt;
use std::time::Duration;

use lp_connector_core::api::{GenerateDownloadUrl, GetFile};
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_ureq::{Bytes, Client};

use super::File;

/// A way to LivePerson's storage, through the client of an account.
#[derive(Clone)]
pub struct Download {
    client: Option<Client>,
    limit: Duration,
}

impl Download {
    /// `None` for an account without a client.
    pub(crate) const fn new(client: Option<Client>, limit: Duration) -> Self {
        Self { client, limit }
    }
}

impl File {
    /// Downloads the file ([protocol.md 8.2](lp_connector_core::protocol#8.2), step 5).
    ///
    /// # Errors
    /// As any call. As an [`Undelivered`](crate::Undelivered), by `?`, it is an outage unless LivePerson rejects
    /// the download.
    pub fn bytes(&self) -> Result<Bytes, Error> {
        let Download { client, limit } = &self.downloads;
        let Some(client) = client else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the bridge has no client of this account",
            ));
        };
        let (conversation, path) = self.place();
        let get_url = GenerateDownloadUrl::new(conversation, path);
        let url = client.request(get_url).timeout(*limit).send()?.output;
        Ok(client.request(GetFile::new(url)).timeout(*limit).send()?.output)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Download")
    }
}
