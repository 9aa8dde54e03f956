//! Makes the server's settings of the values.

use lp_connector_core::api::{ClientProperties, Urgency};
use lp_connector_core::bridge::{Opening, SurveyPolicy, Unsettled};
use lp_connector_core::connector::{Config, TRUSTED_SUFFIXES, Trust};
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;
use lp_connector_gateway::server::{AcceptOn, AccountConfig, GatewayConfig, ServerConfig};

use super::problem::Problems;
use super::values::Values;
use crate::setup;

/// The server's settings. `None`, with a problem, if there is something that cannot be used.
pub(super) fn server(values: &Values, problems: &mut Problems) -> Option<ServerConfig> {
    let mut tables: Vec<String> = values.brands().map(|name| format!("brand.{name}")).collect();
    if tables.is_empty() {
        tables.push("liveperson".to_owned());
    }
    let mut accounts = tables.iter().map(|table| account(table, values, problems));
    let first = accounts.next().flatten()?;
    let rest: Vec<Option<AccountConfig>> = accounts.collect();
    let mut config = ServerConfig::new(first);
    config.accounts.extend(rest.into_iter().collect::<Option<Vec<_>>>()?);
    for name in values.gateways() {
        config.gateways.push(gateway(name, values)?);
    }
    config.public_url = values.text("public_url").map(str::to_owned);
    config.allowed_hosts = values.texts("allowed_hosts").to_vec();
    config.operations_tokens = values.secrets("operations_tokens").to_vec();
    config.unsettled = match values.text("unsettled.policy") {
        Some("resend") => Unsettled::Resend,
        Some("hold") => Unsettled::Hold,
        _ => Unsettled::Report,
    };
    config.survey = match values.text("bridge.survey") {
        Some("everything") => SurveyPolicy::Everything,
        _ => SurveyPolicy::AnswersOnly,
    };
    config.settle_for = values.time("unsettled.after").unwrap_or(config.settle_for);
    config.term = values.time("bridge.term").unwrap_or(config.term);
    config.attempt_timeout =
        values.time("bridge.attempt_timeout").unwrap_or(config.attempt_timeout);
    config.host = host();
    config.rate = values.number("bridge.rate").and_then(|rate| u32::try_from(rate).ok());
    let (kept, drain, listen) = (&mut config.retention, &mut config.drain, &mut config.listen);
    kept.conversations = values.time("retention.conversations").unwrap_or(kept.conversations);
    kept.dead_letters = values.time("retention.dead_letters").unwrap_or(kept.dead_letters);
    kept.media_url = values.time("retention.media_url").unwrap_or(kept.media_url);
    drain.delay = values.time("drain.delay").unwrap_or(drain.delay);
    drain.timeout = values.time("drain.timeout").unwrap_or(drain.timeout);
    listen.webhooks = values.address("listen.webhooks").unwrap_or(listen.webhooks);
    listen.gateways = values.address("listen.gateways").unwrap_or(listen.gateways);
    listen.operations = values.address("listen.operations").unwrap_or(listen.operations);
    config.store_kind = values.store()?.kind().to_owned();
    match config.check() {
        Ok(()) => Some(config),
        Err(invalid) => {
            let source = values.find(&invalid.setting).map(|setting| &setting.source);
            problems.error(&invalid.setting, source, &invalid.problem);
            None
        }
    }
}

/// The name of this machine.
#[cfg(unix)]
fn host() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(not(unix))]
fn host() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().filter(|name| !name.is_empty())
}

fn account(table: &str, values: &Values, problems: &mut Problems) -> Option<AccountConfig> {
    let at = |name: &str| format!("{table}.{name}");
    let (id, client) = (values.text(&at("account"))?, values.text(&at("client_id"))?);
    let secret: Secret = values.secrets(&at("client_secret")).first()?.clone();
    let mut account =
        AccountConfig::new(AccountId::new(id).ok()?, ClientId::new(client).ok()?, secret);
    let mut refuse = |path: String, reason: String| {
        let source = values.find(&path).map(|setting| &setting.source);
        let reason = reason.strip_prefix("configuration: ").unwrap_or(&reason);
        problems.error(&path, source, reason);
    };
    let suffixes = values.texts(&at("trust_suffixes")).iter().map(String::as_str);
    let domain_api = values.text(&at("domain_api"))?;
    let alone = Trust::new(domain_api, std::iter::empty::<&str>());
    let trust = match alone
        .and_then(|_| Trust::new(domain_api, TRUSTED_SUFFIXES.iter().copied().chain(suffixes)))
    {
        Ok(trust) => trust,
        Err(error) => {
            refuse(at("domain_api"), error.to_string());
            return None;
        }
    };
    let mut client: Config = account.client.trust(trust);
    if let Some(file) = values.file(&at("ca_file")) {
        match setup::certificates_in(file, "") {
            Ok(pem) => client = client.extra_ca_pem(pem),
            Err(failure) => {
                let text = failure.to_string();
                refuse(at("ca_file"), text.trim_start_matches(": ").to_owned());
                return None;
            }
        }
    }
    account.client = client;
    let old = values.secrets(&at("old_client_secrets")).iter().cloned();
    account.webhook_secrets.extend(old);
    Some(account)
}

fn gateway(name: &str, values: &Values) -> Option<GatewayConfig> {
    let at = |path: &str| format!("gateway.{name}.{path}");
    let mut config = GatewayConfig::new(name, values.text(&at("deliver.url"))?);
    if let Some(brand) = values.text(&at("brand")) {
        config.account = AccountId::new(values.text(&format!("brand.{brand}.account"))?).ok();
    }
    config.tokens = values.secrets(&at("tokens")).to_vec();
    if let Some(prefix) = values.text(&at("consumer_prefix")) {
        config.consumer_prefix = prefix.to_owned();
    }
    config.answers_by_number = values.yes(&at("answers_by_number")).unwrap_or(true);
    config.accept_on = match values.text(&at("receipts.accept_on")) {
        Some("delivered") => AcceptOn::Delivered,
        _ => AcceptOn::Taken,
    };
    config.nack = values.yes(&at("receipts.nack")).unwrap_or(true);
    config.open = opening(&at("open"), values);
    let deliver = &mut config.deliver;
    deliver.secrets = values.secrets(&at("deliver.secrets")).to_vec();
    let types = values.texts(&at("deliver.types")).iter();
    deliver.types = types.filter_map(|name| name.parse().ok()).collect();
    deliver.timeout = values.time(&at("deliver.timeout")).unwrap_or(deliver.timeout);
    deliver.give_up_after =
        values.time(&at("deliver.give_up_after")).unwrap_or(deliver.give_up_after);
    let number = |path: &str| values.number(&at(path));
    let small = |path: &str| number(path).and_then(|number| u32::try_from(number).ok());
    let size = |path: &str| number(path).and_then(|number| usize::try_from(number).ok());
    deliver.concurrency = size("deliver.concurrency").unwrap_or(deliver.concurrency);
    deliver.refused_tries = small("deliver.refused_tries").unwrap_or(deliver.refused_tries);
    deliver.version = small("deliver.version").unwrap_or(deliver.version);
    deliver.inline_media = size("deliver.inline_media").unwrap_or(deliver.inline_media);
    deliver.plain_http = values.yes(&at("deliver.plain_http")).unwrap_or(false);
    Some(config)
}

fn opening(table: &str, values: &Values) -> Opening {
    let text = |name: &str| values.text(&format!("{table}.{name}"));
    let features = values.texts(&format!("{table}.features"));
    let properties =
        features.iter().fold(ClientProperties::new(), |all, one| all.feature(one.as_str()));
    let mut opening = Opening::default();
    opening.skill = text("skill").map(str::to_owned);
    opening.urgency = text("urgency").map(|word| match word {
        "URGENT" => Urgency::Urgent,
        "PRIORITIZED" => Urgency::Prioritized,
        "CUSTOM" => Urgency::Custom,
        _ => Urgency::Normal,
    });
    opening.language = text("language").map(str::to_owned);
    opening.client_properties = (!features.is_empty()).then_some(properties);
    opening
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::given::{Given, Raw};
    use super::super::source::Source;
    use super::*;

    const SIGNING: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn assembled(settings: &[(&str, &str)]) -> ServerConfig {
        let given = |(path, text): &(&str, &str)| Given {
            path: (*path).to_owned(),
            raw: Raw::Text((*text).to_owned()),
            source: Source::Variable("X".to_owned()),
        };
        let mut problems = Problems::default();
        let given = settings.iter().map(given).collect();
        let values = Values::of(given, Path::new(""), &mut problems);
        let config = server(&values, &mut problems);
        assert_eq!(problems, Problems::default());
        config.unwrap()
    }

    #[test]
    fn old_client_secrets_verify_notifications_too() {
        let config = assembled(&[
            ("store", "sqlite:b.db"),
            ("liveperson.account", "91827364"),
            ("liveperson.client_id", "0a1b2c3d"),
            ("liveperson.client_secret", "new"),
            ("liveperson.old_client_secrets", "old,older"),
        ]);
        let all: Vec<_> = config.accounts[0].webhook_secrets.iter().map(Secret::expose).collect();
        assert_eq!(all, ["new", "old", "older"]);
    }

    #[test]
    fn each_gateway_is_of_the_brand_that_it_names() {
        let (one, other) = ("1".repeat(40), "2".repeat(40));
        let config = assembled(&[
            ("store", "sqlite:b.db"),
            ("brand.grey.account", "111"),
            ("brand.grey.client_id", "0a1b"),
            ("brand.grey.client_secret", "g"),
            ("brand.white.account", "222"),
            ("brand.white.client_id", "0c1d"),
            ("brand.white.client_secret", "w"),
            ("gateway.chat.brand", "white"),
            ("gateway.chat.tokens", &one),
            ("gateway.chat.deliver.url", "http://127.0.0.1:9/"),
            ("gateway.chat.deliver.secrets", SIGNING),
            ("gateway.sms.brand", "grey"),
            ("gateway.sms.tokens", &other),
            ("gateway.sms.deliver.url", "http://127.0.0.1:9/"),
            ("gateway.sms.deliver.secrets", SIGNING),
        ]);
        let of = |one: &GatewayConfig| one.account.as_ref().map(|id| id.as_str().to_owned());
        let accounts: Vec<_> = config.gateways.iter().filter_map(of).collect();
        assert_eq!(accounts, ["222", "111"]);
    }
}
