//! The settings of a server, as plain values.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use lp_connector_bridge::{AcceptOn, Opening, SurveyPolicy, Unsettled};
use lp_connector_core::connector::Config;
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;

/// The settings of a [`Server`](super::Server). All of them can be changed before it starts.
///
/// ```
/// use lp_connector_core::secret::Secret;
/// use lp_connector_gateway::server::{AccountConfig, GatewayConfig, ServerConfig};
///
/// let secret = |text: &str| Secret::new(text.to_owned());
/// let account = AccountConfig::new("91827364".parse()?, "0a1b2c3d".parse()?, secret("n3v3r"));
/// let mut sms = GatewayConfig::new("sms", "http://127.0.0.1:9000/bridge");
/// sms.tokens.push(secret("lpb_k3rW0b2Jm5s7uV1xY4zA6cE8gI0kM2oQ4sU6wY8aC1e"));
/// sms.deliver.secrets.push(secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
/// let mut config = ServerConfig::new(account);
/// config.gateways.push(sms);
/// config.operations_tokens.push(secret("lpb_b7Qe2Hn4p6r8tZ0xW3yC5dF7gJ9kL1mN3oP5qR7sT9u"));
/// assert!(config.check().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The accounts at LivePerson: one, or several with ids of their own.
    pub accounts: Vec<AccountConfig>,
    /// The gateways: one for each channel, with names of their own. None is allowed: then only notifications are
    /// stored.
    pub gateways: Vec<GatewayConfig>,
    /// Where the three listeners listen.
    pub listen: Listen,
    /// What the URLs of files begin with, such as `https://bridge.example`. Default: `http://` and the address of
    /// the gateways' listener.
    pub public_url: Option<String>,
    /// Further names, without a port, that a `Host` may have where the listener is a loopback address: those of a
    /// proxy.
    pub allowed_hosts: Vec<String>,
    /// The tokens for operations. Without one, only `/livez`, `/readyz` and `/metrics` are served there.
    pub operations_tokens: Vec<Secret>,
    /// What happens to a message of which it stays unknown whether LivePerson took it. Default:
    /// [`Unsettled::Report`].
    pub unsettled: Unsettled,
    /// How long the echo of such a message is looked for. Default: 60 s.
    pub settle_for: Duration,
    /// What happens to a text while a survey runs. Default: [`SurveyPolicy::AnswersOnly`].
    pub survey: SurveyPolicy,
    /// How many requests a second the messages of each account may make of LivePerson, of all programs on the store
    /// together: see [`BridgeConfig::rate`](lp_connector_bridge::BridgeConfig::rate). Default: no limit.
    pub rate: Option<u32>,
    /// The name of this machine, for whoever lists the programs on the store. Default: none is told.
    pub host: Option<String>,
    /// How long one request to LivePerson may take. Default: 10 s.
    pub attempt_timeout: Duration,
    /// How long a program has a lane to itself: after a crash, its work waits for the rest. It is lengthened to the
    /// longest attempt and 6 s. Default: 15 s.
    pub term: Duration,
    /// How long things are kept.
    pub retention: Retention,
    /// How the server stops.
    pub drain: Drain,
    /// The name of the store's kind, such as `sqlite`, for the metric `lp_bridge_build_info`.
    pub store_kind: String,
}

/// An account at LivePerson, and its app install.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountConfig {
    /// The client's settings: account, credentials, trusted hosts, time limits, proxy. The server sets its observer.
    pub client: Config,
    /// The secrets that verify notifications: that of the app install, and the old one beside it while it is
    /// replaced.
    pub webhook_secrets: Vec<Secret>,
}

/// A gateway: the program between a channel and the bridge.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// The name: 1 to 64 of `a–z A–Z 0–9 _ -`, and not `unknown`. It is in deliveries, metrics and the log.
    pub name: String,
    /// The account of its consumers. Default: the first one.
    pub account: Option<AccountId>,
    /// The tokens that it may use, each at least 32 characters long. At least one; two while one is replaced.
    pub tokens: Vec<Secret>,
    /// What stands before the channel's ids of consumers at LivePerson. Default: the name and a colon. No gateway's
    /// may begin with another's, on whatever account.
    pub consumer_prefix: String,
    /// Whether a text that is only the number of an option counts as that option. Default: true.
    pub answers_by_number: bool,
    /// When the agent sees that a message was delivered. Default: [`AcceptOn::Taken`].
    pub accept_on: AcceptOn,
    /// Whether the agent sees that a message was not delivered. Default: true.
    pub nack: bool,
    /// How conversations are opened. What a message says of it counts more.
    pub open: Opening,
    /// How deliveries are posted.
    pub deliver: DeliverConfig,
}

/// How deliveries are posted to a gateway.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliverConfig {
    /// Where to: `https`, or `http` to a loopback address.
    pub url: String,
    /// The secrets that sign, `whsec_…`; all of them do. At least one.
    pub secrets: Vec<Secret>,
    /// The types that are posted. Any other counts as taken. Default: [`DeliveryType::DEFAULT`].
    pub types: Vec<DeliveryType>,
    /// How long one try may take: 1 s to 60 s. Default: 10 s. What came before the post counts where it took longer
    /// than the limit of the slowest gateway leaves.
    pub timeout: Duration,
    /// The most deliveries under way at a time, pings among them; each has a thread of its own. Default: 64; at
    /// least 1, and at most 4096 for all gateways together.
    pub concurrency: usize,
    /// How long a delivery waits for a gateway that is out of order, from its first try. Default: 24 h.
    pub give_up_after: Duration,
    /// How often a delivery that the gateway refuses is tried. Default: 3; at least 1.
    pub refused_tries: u32,
    /// The version of the envelope: 1.
    pub version: u32,
    /// Up to how many bytes a file comes along as `media.data`, if LivePerson gives it within 3 s. Default: 0, which is
    /// never. At most 3 000 000.
    pub inline_media: usize,
    /// Allows `http` to other machines. Default: false.
    pub plain_http: bool,
}

/// The type of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum DeliveryType {
    /// A message for the consumer.
    MessageCreated,
    /// The progress of a message of the consumer.
    MessageStatus,
    /// The conversation opened, changed hands or closed.
    ConversationChanged,
    /// The agent types: tried once, never stored.
    TypingChanged,
}

/// Where a server listens. Port 0 takes a free one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Listen {
    /// LivePerson's notifications, at `/lp`. Default: `127.0.0.1:8080`. LivePerson wants TLS: a proxy's task.
    pub webhooks: SocketAddr,
    /// The gateways' calls, at `/v1`. Default: `127.0.0.1:8081`.
    pub gateways: SocketAddr,
    /// Operations: probes, metrics, `/ops/v1`. Default: `127.0.0.1:8082`.
    pub operations: SocketAddr,
}

/// How long things are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Retention {
    /// The record of a finished conversation, and of a consumer without one. Default: 7 days.
    pub conversations: Duration,
    /// Dead letters. Default: 14 days.
    pub dead_letters: Duration,
    /// How long the URL of a file is good. Default: 24 h.
    pub media_url: Duration,
}

/// How a server stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Drain {
    /// How long it still accepts, so that everybody notices that it is not ready any more. Default: 5 s.
    pub delay: Duration,
    /// How long what has begun may take after that. Default: 10 s.
    pub timeout: Duration,
}

impl ServerConfig {
    /// The defaults, with this account and no gateway.
    #[must_use]
    pub fn new(account: AccountConfig) -> Self {
        Self {
            accounts: vec![account],
            gateways: Vec::new(),
            listen: Listen::default(),
            public_url: None,
            allowed_hosts: Vec::new(),
            operations_tokens: Vec::new(),
            unsettled: Unsettled::default(),
            settle_for: Duration::from_secs(60),
            survey: SurveyPolicy::default(),
            rate: None,
            host: None,
            attempt_timeout: Duration::from_secs(10),
            term: Duration::from_secs(15),
            retention: Retention::default(),
            drain: Drain::default(),
            store_kind: "unknown".to_owned(),
        }
    }
}

impl AccountConfig {
    /// An account of the real cloud. The secret serves for both: tokens and notifications.
    #[must_use]
    pub fn new(account: AccountId, client: ClientId, secret: Secret) -> Self {
        let config = Config::new(account).credentials(client, secret.clone());
        Self { client: config, webhook_secrets: vec![secret] }
    }

    /// The account's id.
    #[must_use]
    pub fn id(&self) -> &AccountId {
        self.client.account()
    }
}

impl GatewayConfig {
    /// The defaults, with the prefix `NAME:`. A token and a secret must be added.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            consumer_prefix: format!("{name}:"),
            name,
            account: None,
            tokens: Vec::new(),
            answers_by_number: true,
            accept_on: AcceptOn::default(),
            nack: true,
            open: Opening::default(),
            deliver: DeliverConfig::new(url),
        }
    }
}

impl DeliverConfig {
    /// The defaults.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secrets: Vec::new(),
            types: DeliveryType::DEFAULT.to_vec(),
            timeout: Duration::from_secs(10),
            concurrency: 64,
            give_up_after: Duration::from_secs(24 * 3600),
            refused_tries: 3,
            version: 1,
            inline_media: 0,
            plain_http: false,
        }
    }
}

impl DeliveryType {
    /// All types.
    pub const ALL: &'static [Self] = &[
        Self::MessageCreated,
        Self::MessageStatus,
        Self::ConversationChanged,
        Self::TypingChanged,
    ];

    /// The types that are posted where nothing is configured: all but typing.
    pub const DEFAULT: &'static [Self] =
        &[Self::MessageCreated, Self::MessageStatus, Self::ConversationChanged];

    /// The name in deliveries, such as `message.created`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageCreated => "message.created",
            Self::MessageStatus => "message.status",
            Self::ConversationChanged => "conversation.changed",
            Self::TypingChanged => "typing.changed",
        }
    }
}

impl fmt::Display for DeliveryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownType(());

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no type of a delivery: there are ")?;
        let names: Vec<_> = DeliveryType::ALL.iter().map(|one| one.name()).collect();
        f.write_str(&names.join(", "))
    }
}

impl std::error::Error for UnknownType {}

impl FromStr for DeliveryType {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        Self::ALL.iter().copied().find(|one| one.name() == name).ok_or(UnknownType(()))
    }
}

impl Default for Listen {
    fn default() -> Self {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { webhooks: at(8080), gateways: at(8081), operations: at(8082) }
    }
}

impl Default for Retention {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self { conversations: hours(7 * 24), dead_letters: hours(14 * 24), media_url: hours(24) }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::from_secs(5), timeout: Duration::from_secs(10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_and_written_by_its_name() {
        for (kind, name) in [
            (DeliveryType::MessageCreated, "message.created"),
            (DeliveryType::MessageStatus, "message.status"),
            (DeliveryType::ConversationChanged, "conversation.changed"),
            (DeliveryType::TypingChanged, "typing.changed"),
        ] {
            assert_eq!(name.parse::<DeliveryType>(), Ok(kind));
            assert_eq!(kind.to_string(), name);
        }
    }

    #[test]
    fn whoever_names_no_type_sees_which_there_are() {
        let error = "message.deleted".parse::<DeliveryType>().unwrap_err();
        let expected = "this is no type of a delivery: there are message.created, message.status, \
                        conversation.changed, typing.changed";
        assert_eq!(error.to_string(), expected);
    }
}
