//! The state of a sandbox as bytes: what it was when the program ended, it is when it starts again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{App, Config};
use crate::endpoint::Endpoint;
use crate::fault::Faults;
use crate::random::Random;
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::webhook::{DeliveryQueue, Webhooks};

/// The version of the format. Another one is not read.
const VERSION: u32 = 1;

/// What it says of itself, so that no other file is taken for it.
const FORMAT: &str = "lp-connector sandbox";

/// Only what tells the format.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    format: String,
    version: u32,
    account: String,
    apps: Vec<App>,
    admin: (String, String),
    random: Random,
    state: State,
    webhooks: Option<Webhooks>,
    deliveries: DeliveryQueue,
    requests: BTreeMap<String, u64>,
    faults: Faults,
    notified: u64,
    recorded: u64,
}

impl Sandbox {
    /// The state as bytes for [`restore`](Self::restore): account, keys, tokens, conversations, messages, files,
    /// faults, webhooks and what waits to be posted, but not what is recorded. They have secrets.
    ///
    /// ```
    /// use lp_connector_sandbox::{Config, Sandbox};
    ///
    /// let sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 7), 7);
    /// // In another run, with another seed:
    /// let again = Sandbox::restore(Config::new("127.0.0.1:4711", 8), 8, &sandbox.save())?;
    /// let id = |sandbox: &Sandbox| sandbox.config().app().map(|app| app.client_id().to_owned());
    /// assert_eq!(id(&again), id(&sandbox));
    /// # Ok::<(), String>(())
    /// ```
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let requests = self.requests.iter().map(|(endpoint, n)| (endpoint.name().to_owned(), *n));
        let recorded = self.recorded().map(|log| log.next_number() - 1);
        let saved = Saved {
            format: FORMAT.to_owned(),
            version: VERSION,
            account: self.config.account.clone(),
            apps: self.config.apps.clone(),
            admin: self.config.admin.clone(),
            random: self.random.clone(),
            state: self.state.clone(),
            webhooks: self.webhooks.clone(),
            deliveries: self.deliveries.clone().interrupted(),
            requests: requests.collect(),
            faults: self.faults.clone(),
            notified: self.notified,
            recorded: recorded.unwrap_or(self.recorded_before),
        };
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// A copy without what is recorded.
    #[cfg(feature = "server")]
    pub(crate) fn without_record(&self) -> Self {
        let recorded = self.recorded().map(|log| log.next_number() - 1);
        Self {
            config: self.config.clone(),
            random: self.random.clone(),
            state: self.state.clone(),
            webhooks: self.webhooks.clone(),
            deliveries: self.deliveries.clone(),
            requests: self.requests.clone(),
            faults: self.faults.clone(),
            notified: self.notified,
            recorded_before: recorded.unwrap_or(self.recorded_before),
            ..Self::new(self.config.clone(), 0)
        }
    }

    /// A sandbox with the state that was saved. Account and keys are those of the state; the rest of the
    /// configuration is `config`.
    ///
    /// # Errors
    /// If the bytes are no state of this version: a message that says so. Nothing is guessed.
    pub fn restore(config: Config, seed: u64, bytes: &[u8]) -> Result<Self, String> {
        let header: Header = serde_json::from_slice(bytes)
            .map_err(|error| format!("this is no state of a sandbox: {error}"))?;
        if header.format != FORMAT {
            return Err("this is no state of a sandbox".to_owned());
        }
        if header.version != VERSION {
            return Err(format!(
                "the state has version {}, and this program reads version {VERSION}",
                header.version
            ));
        }
        let saved: Saved = serde_json::from_slice(bytes)
            .map_err(|error| format!("the state of the sandbox is damaged: {error}"))?;
        let mut sandbox = Self::new(config, seed);
        sandbox.config.account = saved.account;
        sandbox.config.apps = saved.apps;
        sandbox.config.admin = saved.admin;
        sandbox.random = saved.random;
        sandbox.state = saved.state;
        sandbox.webhooks = saved.webhooks;
        sandbox.deliveries = saved.deliveries;
        sandbox.deliveries.count_again();
        for (name, number) in saved.requests {
            let endpoint: Endpoint = name.parse()?;
            sandbox.requests.insert(endpoint, number);
        }
        sandbox.faults = saved.faults;
        sandbox.notified = saved.notified;
        sandbox.recorded_before = saved.recorded;
        sandbox.forget_unreachable();
        Ok(sandbox)
    }

    /// Links to what was recorded in another run lead nowhere; nobody types any more.
    fn forget_unreachable(&mut self) {
        for message in self.state.messages.entries_mut() {
            message.request = None;
            message.notification = None;
        }
        for conversation in self.state.conversations.values_mut() {
            conversation.opened_by = None;
            conversation.typing.clear();
        }
    }
}

/// A text of a fixed set.
pub(crate) mod fixed {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    const TEXTS: [&str; 5] = ["CONSUMER", "ASSIGNED_AGENT", "AGENT", "ALL", "AGENTS_AND_MANAGERS"];

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<&'static str, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = TEXTS.into_iter().find(|known| **known == text);
        known.ok_or_else(|| D::Error::custom(format!("no role or audience {text:?}")))
    }
}

/// What is written and read as text.
pub(crate) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Bytes, in Base64.
pub(crate) mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}

/// A request of the delivery queue: a POST.
pub(crate) mod request {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http::Request;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Saved {
        url: String,
        headers: Vec<(String, String)>,
        body: String,
    }

    pub(crate) fn serialize<S: Serializer>(
        request: &Request<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = |value: &http::HeaderValue| {
            let text = std::str::from_utf8(value.as_bytes()).map_err(S::Error::custom)?;
            Ok(text.to_owned())
        };
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| Ok((name.as_str().to_owned(), text(value)?)));
        Saved {
            url: request.uri().to_string(),
            headers: headers.collect::<Result<_, S::Error>>()?,
            body: STANDARD.encode(request.body()),
        }
        .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Request<Vec<u8>>, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        let mut request = Request::post(saved.url);
        for (name, value) in &saved.headers {
            request = request.header(name.as_str(), value.as_bytes());
        }
        let body = STANDARD.decode(saved.body).map_err(D::Error::custom)?;
        request.body(body).map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
