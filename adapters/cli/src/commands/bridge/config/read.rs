//! Reads a written value as what its setting takes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;
use lp_connector_core::spelling::nearest;
use url::Url;

use super::given::Raw;
use super::keys::Kind;
use super::store::StoreAddress;
use crate::args;

/// The value of a setting. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    File(PathBuf),
    Store(StoreAddress),
    Address(SocketAddr),
    Yes(bool),
    Time(Duration),
    Number(u64),
    Texts(Vec<String>),
    Secrets(Vec<Secret>),
}

/// Reads a value. Relative files start from `folder`.
pub(super) fn read(kind: Kind, raw: &Raw, folder: &Path) -> Result<Value, String> {
    match kind {
        Kind::Text => text(raw).map(Value::Text),
        Kind::Account => {
            let text = text(raw)?;
            AccountId::new(&*text).map_err(|error| error.to_string())?;
            Ok(Value::Text(text))
        }
        Kind::Client => {
            let text = text(raw)?;
            ClientId::new(&*text).map_err(|error| error.to_string())?;
            Ok(Value::Text(text))
        }
        Kind::File => Ok(Value::File(folder.join(text(raw)?))),
        Kind::Store => StoreAddress::parse(&text(raw)?, folder).map(Value::Store),
        Kind::Address => args::listen_address(&text(raw)?).map(Value::Address),
        Kind::Url => url(&text(raw)?).map(Value::Text),
        Kind::Yes => yes(raw).map(Value::Yes),
        Kind::Time => args::time(&text(raw)?).map(Value::Time),
        Kind::Limit => args::limit(&text(raw)?).map(Value::Time),
        Kind::Number(least, most) => number(raw, least, most).map(Value::Number),
        Kind::Word(words) => word(&text(raw)?, words).map(Value::Text),
        Kind::Texts => list(raw).map(Value::Texts),
        Kind::Words(words) => {
            let all = list(raw)?.iter().map(|one| word(one, words)).collect::<Result<_, _>>()?;
            Ok(Value::Texts(all))
        }
        // They are read with their files.
        Kind::Secret(_) | Kind::Secrets(_) => Err("it is a secret".to_owned()),
    }
}

/// A text of at least one character.
pub(super) fn text(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::Text(text) if text.is_empty() => Err("it is empty".to_owned()),
        Raw::Text(text) if text.chars().any(char::is_control) => {
            Err("it has a control character in it".to_owned())
        }
        Raw::Text(text) => Ok(text.clone()),
        other => Err(format!("a text is wanted, and this is {}", shape(other))),
    }
}

/// A list: in a variable, with commas between its elements.
pub(super) fn list(raw: &Raw) -> Result<Vec<String>, String> {
    let all: Vec<String> = match raw {
        Raw::List(all) => all.clone(),
        Raw::Text(text) => text.split(',').map(|one| one.trim().to_owned()).collect(),
        other => return Err(format!("a list of texts is wanted, and this is {}", shape(other))),
    };
    match all.iter().any(|one| one.is_empty() || one.chars().any(char::is_control)) {
        true => Err("an element is empty, or has a control character in it".to_owned()),
        false => Ok(all),
    }
}

fn shape(raw: &Raw) -> &'static str {
    match raw {
        Raw::Text(_) => "a text",
        Raw::Yes(_) => "true or false",
        Raw::Number(_) => "a number",
        Raw::List(_) => "a list",
        Raw::Table => "a table",
        Raw::Other(shape) => shape,
    }
}

fn url(text: &str) -> Result<String, String> {
    let expected = || format!("{text:?} is no URL that begins with http:// or https://");
    let parsed = Url::parse(text).map_err(|_| expected())?;
    match matches!(parsed.scheme(), "http" | "https") && parsed.has_host() {
        true => Ok(text.to_owned()),
        false => Err(expected()),
    }
}

fn yes(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Yes(yes) => Ok(*yes),
        Raw::Text(text) if text == "true" => Ok(true),
        Raw::Text(text) if text == "false" => Ok(false),
        _ => Err("true or false is wanted".to_owned()),
    }
}

fn number(raw: &Raw, least: u64, most: u64) -> Result<u64, String> {
    let number = match raw {
        Raw::Number(number) => u64::try_from(*number).ok(),
        Raw::Text(text) => text.parse().ok(),
        _ => None,
    };
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| match least == most {
        true => format!("only {least} is possible"),
        false => format!("a whole number from {least} to {most} is wanted"),
    })
}

fn word(text: &str, words: &[&str]) -> Result<String, String> {
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(match nearest(text, words.iter().copied()) {
        Some(meant) => format!("{text:?} is not possible; did you mean {meant}?"),
        None => format!("{text:?} is not possible: there are {}", words.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, raw: Raw) -> String {
        match read(kind, &raw, Path::new("/etc/lp")) {
            Ok(value) => format!("{value:?}"),
            Err(reason) => reason,
        }
    }

    #[test]
    fn a_value_is_read_or_refused_with_a_reason() {
        let text = |text: &str| Raw::Text(text.to_owned());
        for (kind, raw, expected) in [
            (Kind::Limit, text("5s"), "Time(5s)"),
            (Kind::Limit, text("0s"), "expected more than zero"),
            (Kind::Time, text("0s"), "Time(0ns)"),
            (Kind::Time, Raw::Number(5), "a text is wanted, and this is a number"),
            (Kind::Time, text("5"), "expected a number and a unit"),
            (Kind::Store, text("sqlite:a.db"), r#"Store(File("/etc/lp/a.db"))"#),
            (Kind::Store, text("/a.db"), r#"Store(File("/a.db"))"#),
            (Kind::Store, text("sqlite:"), "a file is wanted"),
            (Kind::Store, text("postgres://lp:pw@db/lp"), "Store(Postgres(postgres://db/lp))"),
            (Kind::Address, text("localhost:80"), "Address(127.0.0.1:80)"),
            (Kind::Address, text("80"), "expected an IP address and a port"),
            (Kind::Url, text("ftp://a"), "is no URL"),
            (Kind::Url, text("http:/x y"), "is no URL"),
            (Kind::Yes, text("true"), "Yes(true)"),
            (Kind::Yes, text("yes"), "true or false is wanted"),
            (Kind::Number(1, 9), text("9"), "Number(9)"),
            (Kind::Number(1, 9), Raw::Number(10), "from 1 to 9"),
            (Kind::Number(1, 9), Raw::Number(-1), "from 1 to 9"),
            (Kind::Number(1, 1), text("2"), "only 1 is possible"),
            (Kind::Word(&["json", "text"]), text("jsn"), "did you mean json?"),
            (Kind::Word(&["json", "text"]), text("xml"), "there are json, text"),
            (Kind::Texts, text("a, b"), r#"Texts(["a", "b"])"#),
            (Kind::Texts, text("a,,b"), "an element is empty"),
            (Kind::Texts, Raw::Yes(true), "a list of texts is wanted"),
            (Kind::Account, text(""), "it is empty"),
            (Kind::Client, Raw::Yes(true), "this is true or false"),
            (Kind::Text, text(""), "it is empty"),
            (Kind::Text, text("a\u{1b}"), "a control character"),
        ] {
            let found = of(kind, raw.clone());
            assert!(found.contains(expected), "{kind:?} {raw:?}: {found}");
        }
    }
}
