//! The settings that there are: their names, what each takes, and what holds without it.

use lp_connector_core::spelling::nearest;

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    /// Its levels, with dots between them. `*` stands for a name that the user gives.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What holds without it, as it would be written in a variable. `*` stands for the name here too.
    pub(super) default: Option<&'static str>,
}

/// What a setting takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    /// An account's id.
    Account,
    /// An app install's id.
    Client,
    /// A file on this machine: relative to the file that names it.
    File,
    /// `sqlite:` and a file, the file alone, or the URL of a database.
    Store,
    /// An address to listen on.
    Address,
    /// A URL that begins with http:// or https://.
    Url,
    Yes,
    /// A time, which may be zero.
    Time,
    /// A time of more than zero.
    Limit,
    /// A whole number within these bounds.
    Number(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Texts.
    Texts,
    /// Some of these words.
    Words(&'static [&'static str]),
    /// Text that nothing shows. There is a setting for the file with it, too.
    Secret(SecretForm),
    /// Several of them, and the files with them.
    Secrets(SecretForm),
}

/// What a secret looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SecretForm {
    /// The secret of an app install, or a password.
    Any,
    /// What a caller shows.
    Token,
    /// What signs deliveries.
    Signing,
    /// What seals the store.
    StoreKey,
}

const fn key(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { path, kind, default: Some(default) }
}

/// A setting without which there is nothing.
const fn bare(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, default: None }
}

const TYPES: &[&str] =
    &["message.created", "message.status", "conversation.changed", "typing.changed"];

const DOMAIN_API: &str = "https://api.liveperson.net";

/// All settings, in the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
    bare("store", Kind::Store),
    bare("store_password", Kind::Secret(SecretForm::Any)),
    bare("store_ca_file", Kind::File),
    bare("store_connections", Kind::Number(1, 100)),
    bare("store_migrate", Kind::Yes),
    bare("accept_loss_on_failover", Kind::Yes),
    bare("store_key", Kind::Secret(SecretForm::StoreKey)),
    bare("store_old_keys", Kind::Secrets(SecretForm::StoreKey)),
    bare("liveperson.account", Kind::Account),
    bare("liveperson.client_id", Kind::Client),
    bare("liveperson.client_secret", Kind::Secret(SecretForm::Any)),
    bare("liveperson.old_client_secrets", Kind::Secrets(SecretForm::Any)),
    key("liveperson.domain_api", Kind::Url, DOMAIN_API),
    bare("liveperson.ca_file", Kind::File),
    bare("liveperson.trust_suffixes", Kind::Texts),
    bare("brand.*.account", Kind::Account),
    bare("brand.*.client_id", Kind::Client),
    bare("brand.*.client_secret", Kind::Secret(SecretForm::Any)),
    bare("brand.*.old_client_secrets", Kind::Secrets(SecretForm::Any)),
    key("brand.*.domain_api", Kind::Url, DOMAIN_API),
    bare("brand.*.ca_file", Kind::File),
    bare("brand.*.trust_suffixes", Kind::Texts),
    key("unsettled.policy", Kind::Word(&["report", "resend", "hold"]), "report"),
    key("unsettled.after", Kind::Limit, "60s"),
    key("retention.conversations", Kind::Limit, "7d"),
    key("retention.dead_letters", Kind::Limit, "14d"),
    key("retention.media_url", Kind::Limit, "24h"),
    key("drain.delay", Kind::Time, "5s"),
    key("drain.timeout", Kind::Time, "10s"),
    key("bridge.term", Kind::Limit, "15s"),
    key("bridge.attempt_timeout", Kind::Limit, "10s"),
    bare("bridge.rate", Kind::Number(1, 1_000_000)),
    key("bridge.survey", Kind::Word(&["answers_only", "everything"]), "answers_only"),
    key("log.format", Kind::Word(&["json", "text"]), "json"),
    key("log.level", Kind::Word(&["error", "warn", "info", "debug", "trace"]), "info"),
    key("log.consumers", Kind::Word(&["hashed", "plain", "none"]), "hashed"),
    key("listen.webhooks", Kind::Address, "127.0.0.1:8080"),
    key("listen.gateways", Kind::Address, "127.0.0.1:8081"),
    key("listen.operations", Kind::Address, "127.0.0.1:8082"),
    bare("public_url", Kind::Url),
    bare("allowed_hosts", Kind::Texts),
    bare("operations_tokens", Kind::Secrets(SecretForm::Token)),
    bare("gateway.*.brand", Kind::Text),
    bare("gateway.*.tokens", Kind::Secrets(SecretForm::Token)),
    key("gateway.*.consumer_prefix", Kind::Text, "*:"),
    key("gateway.*.answers_by_number", Kind::Yes, "true"),
    key("gateway.*.receipts.accept_on", Kind::Word(&["taken", "delivered"]), "taken"),
    key("gateway.*.receipts.nack", Kind::Yes, "true"),
    bare("gateway.*.open.skill", Kind::Text),
    bare("gateway.*.open.urgency", Kind::Word(&["NORMAL", "URGENT", "PRIORITIZED", "CUSTOM"])),
    bare("gateway.*.open.language", Kind::Text),
    bare("gateway.*.open.features", Kind::Texts),
    bare("gateway.*.deliver.url", Kind::Url),
    bare("gateway.*.deliver.secrets", Kind::Secrets(SecretForm::Signing)),
    key(
        "gateway.*.deliver.types",
        Kind::Words(TYPES),
        "message.created,message.status,conversation.changed",
    ),
    key("gateway.*.deliver.timeout", Kind::Limit, "10s"),
    key("gateway.*.deliver.concurrency", Kind::Number(1, 4096), "64"),
    key("gateway.*.deliver.give_up_after", Kind::Limit, "24h"),
    key("gateway.*.deliver.refused_tries", Kind::Number(1, 1000), "3"),
    key("gateway.*.deliver.version", Kind::Number(1, 1), "1"),
    key("gateway.*.deliver.inline_media", Kind::Number(0, 3_000_000), "0"),
    key("gateway.*.deliver.plain_http", Kind::Yes, "false"),
];

/// The variables that the other commands read too, and the settings that they set.
pub(super) const OLDER: &[(&str, &str)] = &[
    ("LP_ACCOUNT_ID", "liveperson.account"),
    ("LP_CLIENT_ID", "liveperson.client_id"),
    ("LP_CLIENT_SECRET", "liveperson.client_secret"),
    ("LP_CLIENT_SECRET_FILE", "liveperson.client_secret_file"),
    ("LP_DOMAIN_API", "liveperson.domain_api"),
    ("LP_CA_FILE", "liveperson.ca_file"),
    ("LP_STORE", "store"),
    ("LP_STORE_PASSWORD", "store_password"),
    ("LP_STORE_PASSWORD_FILE", "store_password_file"),
    ("LP_STORE_KEY", "store_key"),
    ("LP_STORE_KEY_FILE", "store_key_file"),
    ("LP_WEBHOOK_LISTEN", "listen.webhooks"),
];

/// The name of the setting for the file of a secret, or `None` for another setting.
pub(super) fn file_name(key: &Key) -> Option<String> {
    match key.kind {
        Kind::Secret(_) => Some(format!("{}_file", key.path)),
        Kind::Secrets(_) => Some(format!("{}_files", key.path.trim_end_matches('s'))),
        _ => None,
    }
}

/// Whether a path is that of a setting, or of the files of a secret one.
pub(super) fn is_setting(path: &str) -> bool {
    patterns().any(|pattern| is_at(&pattern, path))
}

/// Whether a path has settings below it.
pub(super) fn is_table(path: &str) -> bool {
    KEYS.iter().any(|key| {
        let depth = path.split('.').count();
        let above: Vec<_> = key.path.split('.').take(depth).collect();
        key.path.split('.').count() > depth && is_at(&above.join("."), path)
    })
}

/// Whether a path is one of a pattern.
fn is_at(pattern: &str, path: &str) -> bool {
    let mut levels = path.split('.');
    let fits = |one: &str| levels.next().is_some_and(|level| one == "*" || one == level);
    pattern.split('.').all(fits) && levels.next().is_none()
}

/// The pattern with the names that a path has in their places. `None` if the path is too short for them.
fn fill(pattern: &str, path: &str) -> Option<String> {
    let mut levels = path.split('.');
    let filled = pattern.split('.').map(|one| {
        let level = levels.next();
        if one == "*" { level } else { Some(one) }
    });
    filled.collect::<Option<Vec<_>>>().map(|levels| levels.join("."))
}

/// The patterns of all settings, those of files included.
fn patterns() -> impl Iterator<Item = String> {
    KEYS.iter().flat_map(|key| [Some(key.path.to_owned()), file_name(key)]).flatten()
}

/// The settings without a name of the user's in them.
pub(super) fn plain_paths() -> impl Iterator<Item = String> {
    patterns().filter(|pattern| !pattern.contains('*'))
}

/// The setting that an unknown path was probably meant to be.
pub(super) fn meant(path: &str) -> Option<String> {
    let known: Vec<String> = patterns().filter_map(|pattern| fill(&pattern, path)).collect();
    if let Some(found) = near_levels(path) {
        return Some(found);
    }
    if let Some(found) = nearest(path, known.iter().map(String::as_str)) {
        return Some(found.to_owned());
    }
    // The right name in the wrong place.
    let last = path.rsplit('.').next().unwrap_or(path);
    let same = |pattern: &String| pattern.rsplit('.').next() == Some(last);
    patterns().find(same).map(|pattern| pattern.replace('*', "NAME"))
}

/// The path with each level that is unknown replaced by the known one that is near it.
fn near_levels(path: &str) -> Option<String> {
    let mut candidates: Vec<String> = patterns().collect();
    let mut found: Vec<String> = Vec::new();
    for level in path.split('.') {
        let depth = found.len();
        let at = |pattern: &String| pattern.split('.').nth(depth).map(str::to_owned);
        let mut names: Vec<String> = candidates.iter().filter_map(at).collect();
        names.sort_unstable();
        names.dedup();
        let name = match names.iter().any(|name| name == "*" || name == level) {
            true => level,
            false => nearest(level, names.iter().map(String::as_str))?,
        };
        candidates.retain(|pattern| at(pattern).is_some_and(|one| one == "*" || one == name));
        found.push(name.to_owned());
    }
    let found = found.join(".");
    (is_setting(&found) || is_table(&found)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_is_near_the_right_one() {
        for (path, right) in [
            ("gateway.sms.deliver.uri", Some("gateway.sms.deliver.url")),
            ("gateway.sms.deliver.secret_file", Some("gateway.sms.deliver.secret_files")),
            ("gateway.sms.token_file", Some("gateway.sms.token_files")),
            ("gatway.sms.delivr.url", Some("gateway.sms.deliver.url")),
            ("retention.media-url", Some("retention.media_url")),
            ("public-url", Some("public_url")),
            ("loging.level", Some("log.level")),
            ("level", Some("log.level")),
            ("accept_on", Some("gateway.NAME.receipts.accept_on")),
            ("colour", None),
        ] {
            assert_eq!(meant(path).as_deref(), right, "{path}");
        }
    }

    #[test]
    fn no_setting_is_there_twice() {
        let mut all: Vec<_> = patterns().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(OLDER.iter().all(|(_, path)| is_setting(path)));
        assert!(is_table("gateway.sms") && is_table("log") && !is_table("log.level"));
    }

    #[test]
    fn every_setting_is_in_the_sample() {
        let sample = include_str!("../../../../docs/bridge.toml");
        for key in KEYS.iter().filter(|key| !key.path.starts_with("brand.")) {
            let last = key.path.rsplit('.').next().unwrap();
            let file = file_name(key).map(|file| file.rsplit('.').next().unwrap().to_owned());
            let names = [Some(last.to_owned()), file];
            let mut names = names.iter().flatten();
            assert!(names.any(|name| sample.contains(&format!("{name} ="))), "{}", key.path);
        }
    }
}
