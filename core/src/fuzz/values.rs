//! The values that everything else is made of: identifiers, secrets, seeds, times, names, errors.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Delivery, Error, ErrorKind};
use crate::id::{
    AccountId, ClientId, ConversationId, DialogId, ExtConsumerId, InvalidId, LpConsumerId,
};
use crate::secret::{Secret, header_of};
use crate::seed::Seed;
use crate::spelling::nearest;
use crate::time::{Mono, Now, Timestamp};

pub(super) mod error;

/// The first byte says what the rest is: text, numbers, or the parts of an error. What is valid is kept as it was given,
/// anything else is refused with its reason, and the text of it is not shown.
pub fn values(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 6 {
        0 => identifiers(&String::from_utf8_lossy(rest)),
        1 => secret(&String::from_utf8_lossy(rest)),
        2 => seed(rest),
        3 => time(rest),
        4 => names(&String::from_utf8_lossy(rest)),
        _ => error::error(rest),
    }
}

fn identifiers(text: &str) {
    identifier::<AccountId>(text, "account id");
    identifier::<ClientId>(text, "client id");
    identifier::<ExtConsumerId>(text, "external consumer id");
    identifier::<LpConsumerId>(text, "LivePerson consumer id");
    identifier::<ConversationId>(text, "conversation id");
    identifier::<DialogId>(text, "dialog id");
    if let (Ok(account), Ok(conversation)) = (AccountId::new(text), ConversationId::new(text)) {
        assert_eq!(account == AccountId::none(), text == "-");
        assert_eq!(DialogId::main_of(&conversation).as_str(), text);
    }
}

fn identifier<T>(text: &str, kind: &str)
where
    T: FromStr<Err = InvalidId> + Display + Debug + AsRef<str> + PartialEq,
    T: Serialize + DeserializeOwned,
{
    let reason = match text {
        "" => Some("it is empty"),
        _ if text.len() > 256 => Some("it is longer than 256 bytes"),
        _ if text.contains(char::is_control) => Some("it has control characters"),
        "." | ".." => Some("it is a relative path"),
        _ => None,
    };
    let json = serde_json::to_string(text).expect("JSON");
    let restored = serde_json::from_str::<T>(&json);
    match text.parse::<T>() {
        Ok(id) => {
            assert_eq!(reason, None, "a {kind} was accepted");
            assert_eq!((id.as_ref(), &*id.to_string()), (text, text));
            assert!(format!("{id:?}").ends_with(&format!("Id({text:?})")));
            assert_eq!(serde_json::to_string(&id).expect("JSON"), json);
            assert_eq!(restored.expect("what was stored"), id);
        }
        Err(invalid) => {
            let shown = invalid.to_string();
            assert_eq!(Some(shown.clone()), reason.map(|why| format!("not a valid {kind}: {why}")));
            let stored = restored.expect_err("an id that is none").to_string();
            assert!(stored.starts_with(&shown), "{stored}");
            let error = Error::from(invalid);
            assert_eq!(
                (error.kind(), error.delivery()),
                (ErrorKind::InvalidInput, Delivery::NotSent)
            );
            assert_eq!(error.to_string(), format!("call: {shown}"));
        }
    }
}

/// What surrounds a secret in a file is no part of it. A header carries it, and neither shows it.
fn secret(text: &str) {
    const FAULTS: [&str; 5] = [
        "configuration: the secret is empty",
        "configuration: the secret has more than one line",
        "configuration: the secret has a tab in it",
        "configuration: the secret has a control character in it",
        "configuration: the secret has a character in it that is not ASCII",
    ];
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text).trim_matches([' ', '\t', '\r', '\n']);
    let is_printable = bare.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match text.parse::<Secret>() {
        Ok(secret) => {
            assert!(is_printable && !bare.is_empty());
            assert_eq!((secret.expose(), secret.is_empty()), (bare, false));
            assert_eq!(format!("{secret:?}"), format!("Secret({} bytes)", bare.len()));
            let header = secret.header().expect("a header carries what is printable");
            assert_eq!((header.as_bytes(), header.is_sensitive()), (bare.as_bytes(), true));
        }
        Err(error) => {
            assert!(!is_printable || bare.is_empty(), "a good one was refused");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(FAULTS.contains(&&*format!("{error:#}")), "{error:#}");
            assert_eq!(bare.is_empty(), error.to_string() == FAULTS[0]);
        }
    }
    // As it is, where it does not come from a file.
    let whole = Secret::from(text.to_owned());
    assert_eq!((whole.expose(), whole.is_empty()), (text, text.is_empty()));
    let (header, token) = (whole.header(), header_of(text.to_owned()));
    let is_carried = text.bytes().all(|byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
    assert_eq!((header.is_some(), token.is_some()), (is_carried, is_carried));
    for header in header.into_iter().chain(token) {
        assert_eq!(header.as_bytes(), text.as_bytes());
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}

/// The next eight bytes as a number. What is missing is zero.
fn number(bytes: &mut &[u8]) -> u64 {
    let (number, rest) = bytes.split_at_checked(8).unwrap_or((bytes, &[]));
    *bytes = rest;
    number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What is derived of a seed is the same each time, and differs by its index.
fn seed(mut bytes: &[u8]) {
    let halves = u128::from(number(&mut bytes)) << 64 | u128::from(number(&mut bytes));
    let seed = Seed::from_bytes(halves.to_be_bytes());
    assert_eq!(seed.bits(), halves);
    let (one, other) = (number(&mut bytes), number(&mut bytes));
    let is_same = one == other;
    assert_eq!(seed.derive(one) == seed.derive(other), is_same);
    assert_eq!(seed.derive(one).bits() == seed.derive(other).bits(), is_same);
    let id = seed.uuid(one);
    assert_eq!(id == seed.uuid(other), is_same);
    assert_eq!((&*id, id.len()), (seed.id(one).as_str(), 36));
    for (at, digit) in id.char_indices() {
        match at {
            8 | 13 | 18 | 23 => assert_eq!(digit, '-', "{id}"),
            14 => assert_eq!(digit, '4', "{id}"),
            19 => assert!(matches!(digit, '8' | '9' | 'a' | 'b'), "{id}"),
            _ => assert!(matches!(digit, '0'..='9' | 'a'..='f'), "{id}"),
        }
    }
    let mut jitter = seed.derive(one).jitter();
    let mut again = jitter.clone();
    assert_eq!([(); 4].map(|()| jitter.draw()), [(); 4].map(|()| again.draw()));
}

/// A time on the wire is kept as it is. As one of the system it ends with the year 9999.
fn time(mut bytes: &[u8]) {
    const LAST: u64 = 253_402_300_799_999;
    let (millis, other) = (number(&mut bytes), number(&mut bytes));
    let (time, wall) = (Timestamp::from_millis(millis), Timestamp::from_millis(other));
    assert_eq!((time.as_millis(), time < wall), (millis, millis < other));
    let json = serde_json::to_string(&time).expect("JSON");
    assert_eq!(json, millis.to_string());
    assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("what was stored"), time);
    let system = time.to_system_time();
    assert_eq!(SystemTime::from(time), system);
    assert_eq!(Timestamp::from_system_time(system).as_millis(), millis.min(LAST));
    if let Some(before) = SystemTime::UNIX_EPOCH.checked_sub(Duration::from_millis(millis)) {
        assert_eq!(Timestamp::from_system_time(before).as_millis(), 0);
    }
    let now = Now::new(Mono::from_origin(Duration::from_millis(millis)), wall.to_system_time());
    let passed = other.min(LAST).checked_sub(millis.min(LAST));
    assert_eq!(time.until(now), passed.map(Duration::from_millis));
    // The monotonic clock ends with `NEVER`.
    let later = now.later(Duration::from_millis(other)).mono();
    assert!(later >= now.mono());
    let passed = later.since(now.mono());
    assert!(passed == Duration::from_millis(other) || later == Mono::NEVER, "{later:?}");
    assert_eq!(now.mono().since(later), Duration::ZERO);
}

/// A name, and on lines of their own those that are known.
fn names(text: &str) {
    let (name, known) = text.split_once('\n').unwrap_or((text, ""));
    let known: Vec<_> = known.split('\n').take(8).collect();
    let Some(found) = nearest(name, known.iter().copied()) else {
        let is_short = name.chars().count() <= 128;
        return assert!(!is_short || !known.contains(&name), "it is known itself");
    };
    assert!(known.contains(&found));
    let normal = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let length = |name: &str| normal(name).chars().count();
    assert!(length(name).abs_diff(length(found)) <= 3, "{found} is far");
    if let Some(same) = known.iter().find(|known| normal(known) == normal(name)) {
        assert_eq!(found, *same, "one is nearer");
    }
    if found.chars().count() <= 128 {
        assert_eq!(nearest(found, [name]), Some(name), "near one way alone");
    }
}
