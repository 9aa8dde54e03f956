//! What must be there, and is not.

use std::net::SocketAddr;

use url::{Host, Url};

use super::problem::Problems;
use super::source::Source;
use super::store::StoreAddress;
use super::values::Values;

/// Adds an error for everything that is missing. Nothing is said of what is there and wrong.
pub(super) fn check(values: &Values, problems: &mut Problems) {
    let mut need = |path: &str, how: &str| {
        let said =
            problems.errors.iter().any(|one| one.setting.starts_with(path.trim_end_matches('s')));
        if values.find(path).is_none() && !said {
            problems.error(path, None, how);
        }
    };
    need(
        "store",
        "it is missing: sqlite:bridge.db, or postgres://USER@HOST/DATABASE (LP_STORE, --store)",
    );
    let accounts: Vec<String> = match values.brands().next() {
        None => vec!["liveperson".to_owned()],
        Some(_) => values.brands().map(|name| format!("brand.{name}")).collect(),
    };
    for account in accounts {
        need(&format!("{account}.account"), "it is missing (LP_ACCOUNT_ID, --account)");
        need(&format!("{account}.client_id"), "it is missing (LP_CLIENT_ID, --client-id)");
        let secret = format!("{account}.client_secret");
        need(&secret, "it is missing (client_secret_file, LP_CLIENT_SECRET)");
    }
    // A file is for good: what it lacks is not made up for one run.
    need("operations_tokens", "they are missing: what operators show (operations_token_files)");
    for name in values.gateways() {
        let at = format!("gateway.{name}");
        need(&format!("{at}.deliver.url"), "it is missing: where deliveries are posted");
        need(&format!("{at}.tokens"), "they are missing: what the gateway shows (token_files)");
        need(
            &format!("{at}.deliver.secrets"),
            "they are missing: what signs deliveries (secret_files)",
        );
    }
    if values.gateways().next().is_none() {
        problems.error("gateway", None, "there is none: add [gateway.NAME], or --deliver URL");
    }
    values.gateways().for_each(|name| clear_text(name, values, problems));
    brands(values, problems);
    listeners(values, problems);
    store(values, problems);
    if let Some(old) = values.find("store_old_keys")
        && values.find("store_key").is_none()
    {
        let reason = "there is no store_key: what the old keys sealed is sealed anew with that";
        problems.error("store_old_keys", Some(&old.source), reason);
    }
}

/// The settings of a store on PostgreSQL.
const POSTGRES_ALONE: &[&str] = &[
    "store_password",
    "store_ca_file",
    "store_connections",
    "store_migrate",
    "accept_loss_on_failover",
];

/// The store can be opened by this program, and its password is where nobody else reads it.
fn store(values: &Values, problems: &mut Problems) {
    let (Some(setting), Some(address)) = (values.find("store"), values.store()) else { return };
    #[cfg(feature = "postgres")]
    if let StoreAddress::Postgres(url) = address
        && let Err(reason) = super::postgres::check(url, values)
    {
        problems.error("store", Some(&setting.source), reason);
    }
    if let StoreAddress::File(_) = address {
        for path in POSTGRES_ALONE {
            if let Some(other) = values.find(path) {
                let reason = "it is for a store on PostgreSQL, and store is a file";
                problems.error(path, Some(&other.source), reason);
            }
        }
        return;
    }
    let mut refuse = |reason: &str| problems.error("store", Some(&setting.source), reason);
    if !cfg!(feature = "postgres") {
        refuse("this program was built without the feature postgres: a file is wanted");
    }
    let password = values.find("store_password");
    match &setting.source {
        _ if !address.has_password() => {}
        Source::Flag(_) => refuse(
            "every user of this machine sees the password in an option: LP_STORE_PASSWORD, or \
             store_password_file, is the place for it",
        ),
        Source::File { .. } => {
            refuse("the password has a place of its own: store_password_file, or LP_STORE_PASSWORD")
        }
        source => {
            if let Some(other) = password.filter(|other| other.source.is_beside(source)) {
                let reason = "there is a password in store too: one of them is enough";
                problems.error("store_password", Some(&other.source), reason);
            }
        }
    }
}

/// Deliveries to another machine are encrypted, unless somebody says that they need not be.
fn clear_text(name: &str, values: &Values, problems: &mut Problems) {
    let path = format!("gateway.{name}.deliver.url");
    let url = values.text(&path).unwrap_or_default();
    let is_allowed = values.yes(&format!("gateway.{name}.deliver.plain_http")) == Some(true);
    if is_plain_elsewhere(url) && !is_allowed {
        let source = values.find(&path).map(|setting| &setting.source);
        problems.error(&path, source, "http:// to another machine needs plain_http = true");
    }
}

/// Each listener has an address of its own. What has a token in it is for this machine, or for a proxy with TLS.
fn listeners(values: &Values, problems: &mut Problems) {
    let all = ["listen.webhooks", "listen.gateways", "listen.operations"];
    let of = |path| values.address(path);
    for (at, path) in all.iter().enumerate() {
        let (Some(address), Some(setting)) = (of(path), values.find(path)) else { continue };
        let is_same = |other: &SocketAddr| {
            let ip_meets = other.ip() == address.ip()
                || other.ip().is_unspecified()
                || address.ip().is_unspecified();
            other.port() == address.port() && address.port() != 0 && ip_meets
        };
        let before = all.iter().take(at);
        if let Some(other) = before.copied().find(|other| of(other).as_ref().is_some_and(is_same)) {
            let reason = format!("port {} is that of {other} too", address.port());
            problems.error(path, Some(&setting.source), reason);
        }
        if at > 0 && !address.ip().is_loopback() {
            let reason = "other machines reach it, and tokens go over it in the clear: put a proxy with TLS before it";
            problems.warn(path, Some(&setting.source), reason);
        }
    }
}

/// With several brands, each gateway is of one.
fn brands(values: &Values, problems: &mut Problems) {
    let brands: Vec<&str> = values.brands().collect();
    if let Some(single) = values.all().iter().find(|one| one.path.starts_with("liveperson."))
        && !brands.is_empty()
    {
        let reason = "it is there beside [brand.NAME]: the account of liveperson is the only one";
        problems.error(&single.path, Some(&single.source), reason);
    }
    for name in values.gateways() {
        let path = format!("gateway.{name}.brand");
        match (values.find(&path), values.text(&path)) {
            (Some(setting), Some(brand)) if !brands.contains(&brand) => {
                let reason = format!("there is no [brand.{brand}]");
                problems.error(&path, Some(&setting.source), reason);
            }
            (None, _) if brands.len() > 1 => {
                let all = brands.join(", ");
                problems.error(&path, None, format!("it is missing: there are {all}"));
            }
            _ => {}
        }
    }
}

/// Whether a URL sends what it carries over a network in the clear.
pub(crate) fn is_plain_elsewhere(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_here
}
