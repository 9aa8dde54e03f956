//! Parses what LivePerson sends, and reads its members in every shape that the protocol allows.

use std::borrow::Cow;

use super::tape::JsonTape;
use super::view::Json;
use crate::time::Timestamp;

/// A parsed document.
pub(in crate::webhook) struct Parsed {
    pub(in crate::webhook) tape: JsonTape,
    /// True if invalid text was replaced with U+FFFD.
    pub(in crate::webhook) lossy: bool,
}

/// Parses JSON more tolerantly than the standard: it skips a byte order mark, and replaces invalid
/// Unicode (half of an emoji that a sender cut, bytes that are not UTF-8) with U+FFFD.
pub(in crate::webhook) fn parse(bytes: &[u8]) -> Result<Parsed, serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Checking takes a tenth of the time of a lossy conversion, which is rarely needed.
    let text =
        std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    let lossy = matches!(text, Cow::Owned(_));
    match JsonTape::parse(&text) {
        Ok(tape) => Ok(Parsed { tape, lossy }),
        Err(error) => match replace_lone_surrogates(&text) {
            Some(text) => JsonTape::parse(&text).map(|tape| Parsed { tape, lossy: true }),
            None => Err(error),
        },
    }
}

/// Replaces each escaped surrogate that has no partner. `None` if there is none.
fn replace_lone_surrogates(text: &str) -> Option<String> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        replaced.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                replaced.push_str("\\ufffd");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            // A backslash and the character that it escapes, perhaps another backslash.
            _ => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        replaced.push_str(escape.get(..length).unwrap_or(escape));
        rest = escape.get(length..).unwrap_or_default();
    }
    replaced.push_str(rest);
    (replaced != text).then_some(replaced)
}

/// The UTF-16 code unit of the `\uXXXX` escape that `text` begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    // `from_str_radix` would accept a sign.
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

/// The elements of an array, or the bare element in its place
/// ([protocol.md 1.4](crate::protocol#1.4)).
pub(in crate::webhook) fn one_or_many(value: Option<Json<'_>>) -> impl Iterator<Item = Json<'_>> {
    let one = value.filter(|value| !value.is_array() && !value.is_null());
    value.into_iter().flat_map(Json::elements).chain(one)
}

/// A member that is text, or a number in its place ([protocol.md 14](crate::protocol#14), rows 2
/// and 34).
pub(in crate::webhook) fn scalar<'a>(value: Json<'a>, name: &str) -> Option<Cow<'a, str>> {
    let member = value.get(name)?;
    let number = || member.as_f64().map(|_| member.to_value().to_string());
    member.as_str().map(Cow::Borrowed).or_else(|| number().map(Cow::Owned))
}

/// A member that is text.
pub(in crate::webhook) fn text<'a>(value: Json<'a>, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Json::as_str)
}

/// A member that is an integer, as a number or as a string of digits.
pub(in crate::webhook) fn integer(value: Json<'_>, name: &str) -> Option<i64> {
    let member = value.get(name)?;
    if let Some(digits) = member.as_str() {
        return digits.trim().parse().ok();
    }
    member.as_i64().or_else(|| {
        let number = member.as_f64().filter(|number| number.fract() == 0.0)?;
        // Larger floats do not name a single integer.
        (number.abs() < 9e15).then_some(number as i64)
    })
}

/// A member that is an integer of at least 0, as a number or as a string of digits.
pub(in crate::webhook) fn unsigned(value: Json<'_>, name: &str) -> Option<u64> {
    match value.get(name)?.as_u64() {
        Some(number) => Some(number),
        None => integer(value, name).and_then(|number| u64::try_from(number).ok()),
    }
}

/// A member that is a time in milliseconds, as a number or as a string of digits.
pub(in crate::webhook) fn timestamp(value: Json<'_>, name: &str) -> Option<Timestamp> {
    unsigned(value, name).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn only_lone_surrogates_are_replaced() {
        for (written, read, lossy) in [
            (r#""a\ud83db""#, "a\u{fffd}b", true),
            (r#""a\uD83D""#, "a\u{fffd}", true),
            (r#""\ude42x""#, "\u{fffd}x", true),
            (r#""\ud83d\ud83d\ude42""#, "\u{fffd}🙂", true),
            (r#""\ud83d\ude42""#, "🙂", false),
            // The first and the last pair, next to a lone surrogate.
            (r#""\ud800\udc00\udbff\udfff\ud800""#, "\u{10000}\u{10ffff}\u{fffd}", true),
            (r#""\\ud83d""#, "\\ud83d", false),
            (r#""\\ud83d\ud83d""#, "\\ud83d\u{fffd}", true),
            (r#""\\\ud83d""#, "\\\u{fffd}", true),
            (r#""\ud83d\n""#, "\u{fffd}\n", true),
            ("\"\\ud83dé\"", "\u{fffd}é", true),
            ("\u{feff}\"bom\"", "bom", false),
            (r#""\u2028""#, "\u{2028}", false),
        ] {
            let found = parse(written.as_bytes()).unwrap();
            assert_eq!(found.tape.root().as_str(), Some(read), "{written}");
            assert_eq!(found.lossy, lossy, "{written}");
        }
        let found = parse(b"\"\xff\xed\xa0\xbd\"").unwrap();
        assert!(found.lossy && found.tape.root().as_str().unwrap().starts_with('\u{fffd}'));
    }

    #[test]
    fn numbers_and_digits_both_read_as_integers() {
        let tape = JsonTape::from(
            &json!({"a": 7, "b": "7", "c": 7.0, "d": 7.5, "e": -1, "f": u64::MAX, "g": [],
            "h": 1e300}),
        );
        let value = tape.root();
        for (name, signed, positive) in [
            ("a", Some(7), Some(7)),
            ("b", Some(7), Some(7)),
            ("c", Some(7), Some(7)),
            ("d", None, None),
            ("e", Some(-1), None),
            ("f", None, Some(u64::MAX)),
            ("g", None, None),
            ("h", None, None),
        ] {
            assert_eq!((integer(value, name), unsigned(value, name)), (signed, positive), "{name}");
        }
        assert_eq!(scalar(value, "a").as_deref(), Some("7"));
        assert_eq!(scalar(value, "g"), None);
    }

    proptest! {
        #[test]
        fn valid_json_is_read_unchanged(text in ".{0,40}") {
            let found = parse(json!({"m": text}).to_string().as_bytes()).unwrap();
            prop_assert_eq!(text_of(&found), Some(text.as_str()));
            prop_assert!(!found.lossy);
        }

        #[test]
        fn any_utf_16_code_units_are_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let found = parse(format!("{{\"m\":\"{escaped}\"}}").as_bytes()).unwrap();
            let expected = String::from_utf16_lossy(&units);
            prop_assert_eq!(text_of(&found), Some(expected.as_str()));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }

    fn text_of(found: &Parsed) -> Option<&str> {
        text(found.tape.root(), "m")
    }

    #[test]
    fn floats_are_integers_while_they_are_exact() {
        let tape = JsonTape::from(&json!({"a": 8.9e15, "b": 9e15, "c": -8.9e15}));
        let read = |name: &str| integer(tape.root(), name);
        assert_eq!(read("a"), Some(8_900_000_000_000_000));
        assert_eq!((read("b"), read("c")), (None, Some(-8_900_000_000_000_000)));
    }
}
