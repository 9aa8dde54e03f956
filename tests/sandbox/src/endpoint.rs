//! The endpoints of the cloud and their paths.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// An endpoint of the cloud.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Endpoint {
    /// The Domain API, for one service or all
    /// ([protocol.md 2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#2)).
    Domain,
    /// Sentinel, for AppJWTs
    /// ([protocol.md 4](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#4)).
    Token,
    /// The IDP, for ConsumerJWSs
    /// ([protocol.md 5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#5)).
    Consumer,
    /// CONVERSATION
    /// ([protocol.md 6](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#6)).
    Conversation,
    /// SEND
    /// ([protocol.md 7](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#7)).
    Send,
    /// The storage service, for files
    /// ([protocol.md 8](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#8)).
    File,
    /// The Monitoring API
    /// ([protocol.md 12](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#12)).
    Monitoring,
    /// A user's login
    /// ([protocol.md 13.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#13.1)).
    Login,
    /// The management of app installs
    /// ([protocol.md 13.2](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#13.2)).
    Installs,
    /// Notifications to the connector's endpoint
    /// ([protocol.md 9](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9)).
    Webhook,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Domain,
        Self::Token,
        Self::Consumer,
        Self::Conversation,
        Self::Send,
        Self::File,
        Self::Monitoring,
        Self::Login,
        Self::Installs,
        Self::Webhook,
    ];

    /// The short name, used in faults and counts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Token => "token",
            Self::Consumer => "consumer",
            Self::Conversation => "conversation",
            Self::Send => "send",
            Self::File => "file",
            Self::Monitoring => "monitoring",
            Self::Login => "login",
            Self::Installs => "installs",
            Self::Webhook => "webhook",
        }
    }

    pub(crate) fn methods(self) -> &'static [http::Method] {
        match self {
            Self::Domain => &[http::Method::GET],
            Self::File => &[http::Method::GET, http::Method::PUT],
            Self::Monitoring => &[http::Method::POST, http::Method::PUT],
            Self::Installs => {
                &[http::Method::GET, http::Method::POST, http::Method::PUT, http::Method::DELETE]
            }
            _ => &[http::Method::POST],
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no endpoint {text:?}: there are {names}")
        })
    }
}

/// The parts of a request's path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    pub(crate) account: String,
    /// The rest of the path: at the Domain API the service, or `None` for all.
    pub(crate) service: Option<String>,
    /// What is not documented about the path, for a warning.
    pub(crate) deviation: Option<&'static str>,
}

impl Route {
    /// `None` if the path belongs to no endpoint.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let decoded: Vec<_> = path.trim_start_matches('/').split('/').map(decode).collect();
        let parts: Vec<&str> = decoded.iter().map(|part| &**part).collect();
        let mut deviation = None;
        let (endpoint, account, service) = match parts.as_slice() {
            [root @ ("api" | "csdr"), "account", account, "service", rest @ ..] => {
                let (service, file) = match rest {
                    [file] => (None, file),
                    [service, file] => (Some((*service).to_owned()), file),
                    _ => return None,
                };
                match *file {
                    "baseURI.json" if *root == "csdr" && service.is_some() => {
                        deviation = Some("the path /csdr is documented for all services alone");
                    }
                    "baseURI.json" => {}
                    "baseURI" => deviation = Some("the path has no .json at its end"),
                    _ => return None,
                }
                (Endpoint::Domain, account, service)
            }
            ["sentinel", "api", "account", account, "app", "token"] => {
                (Endpoint::Token, account, None)
            }
            ["api", "account", account, "consumer"] => (Endpoint::Consumer, account, None),
            ["api", "account", account, "messaging", "consumer", "conversation"] => {
                (Endpoint::Conversation, account, None)
            }
            ["api", "account", account, "messaging", "consumer", "conversation", "send"] => {
                (Endpoint::Send, account, None)
            }
            ["api", "account", account, "login"] => (Endpoint::Login, account, None),
            ["api", "account", account, "app", app, method @ ("engagement" | "report")] => {
                // Method and app in one.
                (Endpoint::Monitoring, account, Some(format!("{method}/{app}")))
            }
            ["api", "account", account, "configuration", "app-install", "installations"] => {
                (Endpoint::Installs, account, None)
            }
            ["api", "account", account, "configuration", "app-install", "installations", id] => {
                (Endpoint::Installs, account, Some((*id).to_owned()))
            }
            ["v1", _, account, ..] => (Endpoint::File, account, None),
            _ => return None,
        };
        Some(Self { endpoint, account: (*account).to_owned(), service, deviation })
    }
}

/// Percent-decodes one segment. Unlike in a form, `+` is a plus sign.
pub(crate) fn decode(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let plain = segment.replace('+', "%2B");
    let decoded =
        form_urlencoded::parse(plain.as_bytes()).map(|(name, _)| name.into_owned()).next();
    Cow::Owned(decoded.unwrap_or_default())
}
