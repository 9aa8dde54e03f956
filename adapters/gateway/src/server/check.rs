//! Which settings cannot be used.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::config::{GatewayConfig, ServerConfig};
use super::metrics::UNKNOWN;
use crate::signature::SigningKeys;

/// The least characters of a token.
const MIN_TOKEN: usize = 32;

/// The most deliveries under way at a time, of all gateways: each takes a thread.
const MAX_CONCURRENCY: usize = 4096;

/// The most bytes of a file that comes along in a delivery.
const MAX_INLINE: usize = 3_000_000;

/// A setting that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct InvalidConfig {
    /// The setting, as a path such as `gateway.sms.deliver.url`.
    pub setting: String,
    /// What is wrong with it, without its value if that is a secret.
    pub problem: String,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl std::error::Error for InvalidConfig {}

fn invalid(setting: impl Into<String>, problem: impl Into<String>) -> InvalidConfig {
    InvalidConfig { setting: setting.into(), problem: problem.into() }
}

impl ServerConfig {
    /// Checks all settings. [`Server::start`](super::Server::start) does so too.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        if self.accounts.is_empty() {
            return Err(invalid("liveperson", "an account is needed"));
        }
        let mut accounts = BTreeSet::new();
        for account in &self.accounts {
            if !accounts.insert(account.id()) {
                let id = account.id();
                return Err(invalid("liveperson.account", format!("{id} is there twice")));
            }
            if account.webhook_secrets.is_empty() {
                return Err(invalid(
                    "liveperson",
                    "a secret that verifies notifications is needed",
                ));
            }
        }
        for token in &self.operations_tokens {
            check_token("operations_tokens", token.expose())?;
        }
        if let Some(url) = &self.public_url {
            public_url(url)?;
        }
        let mut names = BTreeSet::new();
        let mut tokens = BTreeSet::new();
        let mut concurrency = 0;
        for gateway in &self.gateways {
            let at = format!("gateway.{}", gateway.name);
            gateway.check(&at)?;
            if !names.insert(&gateway.name) {
                return Err(invalid(at, "the name is there twice"));
            }
            if let Some(account) = &gateway.account
                && !accounts.contains(account)
            {
                return Err(invalid(format!("{at}.account"), "there is no such account"));
            }
            concurrency += gateway.deliver.concurrency;
            if concurrency > MAX_CONCURRENCY {
                let why = "that of all gateways together is at most 4096";
                return Err(invalid(format!("{at}.deliver.concurrency"), why));
            }
            for token in &gateway.tokens {
                if !tokens.insert(token.expose()) {
                    return Err(invalid(
                        format!("{at}.tokens"),
                        "two gateways have the same token",
                    ));
                }
            }
        }
        if self.operations_tokens.iter().any(|one| tokens.contains(one.expose())) {
            return Err(invalid("operations_tokens", "a gateway has the same token"));
        }
        self.check_prefixes()
    }

    /// Two gateways with one prefix would get each other's deliveries; on two accounts, each other's settings.
    fn check_prefixes(&self) -> Result<(), InvalidConfig> {
        for (index, one) in self.gateways.iter().enumerate() {
            for other in self.gateways.iter().skip(index + 1) {
                let (a, b) = (&one.consumer_prefix, &other.consumer_prefix);
                if a.starts_with(b) || b.starts_with(a) {
                    let at = format!("gateway.{}.consumer_prefix", other.name);
                    let why = format!("it cannot be told from that of {}", one.name);
                    return Err(invalid(at, why));
                }
            }
        }
        Ok(())
    }
}

impl GatewayConfig {
    fn check(&self, at: &str) -> Result<(), InvalidConfig> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !(1..=64).contains(&self.name.len()) || !self.name.chars().all(is_plain) {
            return Err(invalid(at, "a name has 1 to 64 letters, digits, _ and -"));
        }
        if self.name == UNKNOWN {
            return Err(invalid(at, "the metrics call callers so that have no valid token"));
        }
        if self.tokens.is_empty() {
            return Err(invalid(format!("{at}.tokens"), "a token is needed"));
        }
        for token in &self.tokens {
            check_token(&format!("{at}.tokens"), token.expose())?;
        }
        if self.consumer_prefix.len() > 64 || self.consumer_prefix.contains(char::is_control) {
            let why = "it has at most 64 bytes, and no control character";
            return Err(invalid(format!("{at}.consumer_prefix"), why));
        }
        let deliver = &self.deliver;
        let wrong = |name: &str, why: &str| Err(invalid(format!("{at}.deliver.{name}"), why));
        if let Err(error) = deliver_url(&deliver.url, deliver.plain_http) {
            return wrong("url", error);
        }
        let secrets = deliver.secrets.iter().map(|secret| secret.expose());
        if let Err(error) = SigningKeys::new(secrets) {
            return wrong("secrets", &error.to_string());
        }
        let seconds = Duration::from_secs(1)..=Duration::from_secs(60);
        if !seconds.contains(&deliver.timeout) {
            return wrong("timeout", "it is 1 s to 60 s");
        }
        if !(1..=MAX_CONCURRENCY).contains(&deliver.concurrency) {
            return wrong("concurrency", "it is 1 to 4096");
        }
        if deliver.refused_tries == 0 {
            return wrong("refused_tries", "it is at least 1");
        }
        if deliver.version != 1 {
            return wrong("version", "there is version 1 alone");
        }
        if deliver.inline_media > MAX_INLINE {
            return wrong("inline_media", "it is at most 3000000");
        }
        Ok(())
    }
}

fn check_token(at: &str, token: &str) -> Result<(), InvalidConfig> {
    if token.len() < MIN_TOKEN {
        return Err(invalid(at, format!("a token has at least {MIN_TOKEN} characters")));
    }
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(invalid(at, "a token has printable ASCII characters without blanks")),
    }
}

/// The URL that deliveries go to.
pub(super) fn deliver_url(url: &str, plain_http: bool) -> Result<Url, &'static str> {
    let parsed = Url::parse(url).map_err(|_| "it is not a URL")?;
    if has_user(&parsed) {
        return Err("it has a name or a password in it");
    }
    match parsed.scheme() {
        "https" => {}
        "http" if plain_http || is_loopback(&parsed) => {}
        "http" => return Err("http to another machine needs plain_http"),
        _ => return Err("it begins with https:// or http://"),
    }
    Ok(parsed)
}

/// What the URLs of files begin with.
pub(super) fn public_url(url: &str) -> Result<Url, InvalidConfig> {
    let wrong = |why: &str| invalid("public_url", why);
    let parsed = Url::parse(url).map_err(|_| wrong("it is not a URL"))?;
    let is_web = matches!(parsed.scheme(), "http" | "https") && parsed.has_host();
    let is_bare = parsed.query().is_none() && parsed.fragment().is_none();
    match is_web && is_bare && !has_user(&parsed) {
        true => Ok(parsed),
        false => Err(wrong("it is http:// or https://, a host, and perhaps a path")),
    }
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::secret::Secret;

    use super::super::config::AccountConfig;
    use super::*;

    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_public_url_has_no_name_and_no_password() {
        for (url, is_good) in [
            ("https://bridge.example/files", true),
            ("http://bridge.example:8080", true),
            ("https://ada@bridge.example/", false),
            ("https://ada:pw@bridge.example/", false),
            ("https://:pw@bridge.example/", false),
            ("https://bridge.example/?a=b", false),
            ("https://bridge.example/#a", false),
            ("ftp://bridge.example/", false),
        ] {
            assert_eq!(public_url(url).is_ok(), is_good, "{url}");
        }
    }

    fn account(id: &str) -> AccountConfig {
        AccountConfig::new(id.parse().unwrap(), "0a1b2c3d".parse().unwrap(), secret("n3v3r"))
    }

    fn gateway(name: &str) -> GatewayConfig {
        let mut gateway = GatewayConfig::new(name, "http://127.0.0.1:9000/bridge");
        gateway.tokens.push(secret(&format!("lpb_{name:-<40}")));
        gateway.deliver.secrets.push(secret(SECRET));
        gateway
    }

    fn config() -> ServerConfig {
        let mut config = ServerConfig::new(account("91827364"));
        config.gateways.push(gateway("sms"));
        config
    }

    type Change = fn(&mut ServerConfig);

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        assert_eq!(config().check(), Ok(()));
        let cases: &[(&str, Change)] = &[
            ("liveperson", |config| config.accounts.clear()),
            ("liveperson", |config| config.accounts[0].webhook_secrets.clear()),
            ("liveperson.account", |config| config.accounts.push(account("91827364"))),
            ("operations_tokens", |config| config.operations_tokens.push(secret("short"))),
            ("operations_tokens", |config| {
                let token = config.gateways[0].tokens[0].clone();
                config.operations_tokens.push(token);
            }),
            ("public_url", |config| config.public_url = Some("bridge.example".to_owned())),
            ("public_url", |config| config.public_url = Some("https://a.example/?b=c".to_owned())),
            ("gateway.sms", |config| config.gateways.push(gateway("sms"))),
            ("gateway.s m", |config| config.gateways[0].name = "s m".to_owned()),
            ("gateway.unknown", |config| config.gateways[0].name = "unknown".to_owned()),
            ("gateway.sms.tokens", |config| config.gateways[0].tokens.clear()),
            ("gateway.sms.tokens", |config| config.gateways[0].tokens.push(secret("short"))),
            ("gateway.chat.tokens", |config| {
                let mut chat = gateway("chat");
                chat.tokens = config.gateways[0].tokens.clone();
                config.gateways.push(chat);
            }),
            ("gateway.sms.account", |config| {
                config.gateways[0].account = Some("12345678".parse().unwrap());
            }),
            ("gateway.chat.consumer_prefix", |config| {
                let mut chat = gateway("chat");
                chat.consumer_prefix = "sms:chat:".to_owned();
                config.gateways.push(chat);
            }),
            ("gateway.chat.consumer_prefix", |config| {
                config.accounts.push(account("12345678"));
                let mut chat = gateway("chat");
                chat.account = Some("12345678".parse().unwrap());
                chat.consumer_prefix = "sms:".to_owned();
                config.gateways.push(chat);
            }),
            ("gateway.sms.consumer_prefix", |config| {
                config.gateways[0].consumer_prefix = "s".repeat(65);
            }),
            ("gateway.sms.consumer_prefix", |config| {
                config.gateways[0].consumer_prefix = "sms\n".to_owned();
            }),
            ("gateway.sms.deliver.url", |config| config.gateways[0].deliver.url.clear()),
            ("gateway.sms.deliver.url", |config| {
                config.gateways[0].deliver.url = "http://gateway.example/".to_owned();
            }),
            ("gateway.sms.deliver.url", |config| {
                config.gateways[0].deliver.url = "https://ada:n3v3r@gateway.example/".to_owned();
            }),
            ("gateway.sms.deliver.secrets", |config| config.gateways[0].deliver.secrets.clear()),
            ("gateway.sms.deliver.timeout", |config| {
                config.gateways[0].deliver.timeout = Duration::from_secs(61);
            }),
            ("gateway.sms.deliver.concurrency", |config| {
                config.gateways[0].deliver.concurrency = 0;
            }),
            ("gateway.chat.deliver.concurrency", |config| {
                let mut chat = gateway("chat");
                chat.deliver.concurrency = MAX_CONCURRENCY - 63;
                config.gateways.push(chat);
            }),
            ("gateway.sms.deliver.refused_tries", |config| {
                config.gateways[0].deliver.refused_tries = 0;
            }),
            ("gateway.sms.deliver.version", |config| config.gateways[0].deliver.version = 2),
            ("gateway.sms.deliver.inline_media", |config| {
                config.gateways[0].deliver.inline_media = MAX_INLINE + 1;
            }),
        ];
        for (setting, change) in cases {
            let mut config = config();
            change(&mut config);
            let error = config.check().unwrap_err();
            assert_eq!(error.setting, *setting, "{error}");
            assert!(!error.to_string().contains("n3v3r"), "{error}");
        }
    }

    #[test]
    fn the_largest_values_and_the_shortest_token_can_be_used() {
        let (mut config, mut chat) = (config(), gateway("chat"));
        chat.tokens = vec![secret(&"t".repeat(32))];
        chat.consumer_prefix = "c".repeat(64);
        // With the 64 of the other one, 4096.
        chat.deliver.concurrency = 4032;
        chat.deliver.inline_media = 3_000_000;
        config.gateways.push(chat);
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn an_error_has_the_setting_and_what_is_wrong_with_it() {
        let mut config = config();
        config.gateways[0].deliver.url = "gateway.example".to_owned();
        let error = config.check().unwrap_err();
        assert_eq!(error.to_string(), "gateway.sms.deliver.url: it is not a URL");
    }

    #[test]
    fn plain_http_leaves_this_machine_only_where_that_is_allowed() {
        for (url, plain_http, allowed) in [
            ("https://gateway.example/", false, true),
            ("http://gateway.example/", true, true),
            ("http://localhost:9000/", false, true),
            ("http://[::1]:9000/", false, true),
            ("http://localhost.example/", false, false),
            ("ftp://127.0.0.1/", true, false),
        ] {
            assert_eq!(deliver_url(url, plain_http).is_ok(), allowed, "{url}");
        }
        let why = |url| deliver_url(url, false).unwrap_err();
        assert_eq!(why("http://gateway.example/"), "http to another machine needs plain_http");
        assert_eq!(why("ftp://gateway.example/"), "it begins with https:// or http://");
    }
}
