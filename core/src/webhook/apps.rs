//! The apps whose notifications a receiver takes, and their secrets.

use crate::id::{AccountId, ClientId};
use crate::secret::Secret;

#[derive(Clone, Debug)]
pub(super) struct Apps(Vec<App>);

#[derive(Clone, Debug)]
struct App {
    ids: Option<(AccountId, ClientId)>,
    secrets: Vec<Secret>,
}

impl Apps {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the secrets of an app, or of any.
    pub(super) fn add(&mut self, ids: Option<(AccountId, ClientId)>, secrets: Vec<Secret>) {
        self.0.push(App { ids, secrets });
    }

    /// The secrets that may have signed for this account and client, and whether each is that of no other.
    pub(super) fn secrets(
        &self,
        account: Option<&str>,
        client: Option<&str>,
    ) -> impl Iterator<Item = (&Secret, bool)> {
        let matches = move |app: &&App| match &app.ids {
            None => true,
            Some((of, at)) => account == Some(of.as_str()) && client == Some(at.as_str()),
        };
        let apps = self.0.iter().filter(matches);
        let secrets =
            apps.flat_map(|app| app.secrets.iter().map(|secret| (secret, app.ids.is_some())));
        // Anybody can sign with an empty secret.
        secrets.filter(|(secret, _)| !secret.is_empty())
    }
}
