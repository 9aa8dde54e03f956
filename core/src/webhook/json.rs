//! Reading what LivePerson sends, however it is written.

use std::borrow::Cow;

use serde_json::Value;

/// A document, and whether some of its text had to be replaced to make it one.
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) lossy: bool,
}

/// Parses JSON more tolerantly than JSON is defined: a byte order mark is skipped, and what is no
/// Unicode text (a half of an emoji, as senders cut it, or bytes that are not UTF-8) becomes U+FFFD.
pub(super) fn document(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let lossy = matches!(text, Cow::Owned(_));
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Document { value, lossy }),
        Err(error) => match without_lone_surrogates(&text) {
            Some(mended) => {
                serde_json::from_str(&mended).map(|value| Document { value, lossy: true })
            }
            None => Err(error),
        },
    }
}

/// The text with each escape of half a surrogate pair replaced; `None` if there is none.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut mended = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str("\\ufffd");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            // A backslash and what it escapes, which may be a backslash.
            _ => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        mended.push_str(escape.get(..length).unwrap_or(escape));
        rest = escape.get(length..).unwrap_or_default();
    }
    mended.push_str(rest);
    (mended != text).then_some(mended)
}

/// The UTF-16 unit that `text` begins with an escape of.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    // `from_str_radix` takes a sign too.
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

/// The elements of an array, or the one that stands in its place (protocol.md 1.4).
pub(super) fn each(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Some(Value::Array(many)) => (many.as_slice(), None),
        None | Some(Value::Null) => (&[][..], None),
        one => (&[][..], one),
    };
    many.iter().chain(one)
}

/// As [`each`], by value.
pub(super) fn into_each(value: Value) -> Vec<Value> {
    match value {
        Value::Array(many) => many,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// A member that is text, or a number that stands for text (protocol.md 14, rows 2 and 34).
pub(super) fn scalar<'a>(value: &'a Value, name: &str) -> Option<Cow<'a, str>> {
    match value.get(name)? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// A member that is text.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// A member that is a whole number, as a number or as digits.
pub(super) fn integer(value: &Value, name: &str) -> Option<i64> {
    match value.get(name)? {
        Value::Number(number) => number.as_i64().or_else(|| {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            // Beyond this a float names no single integer.
            (number.abs() < 9e15).then_some(number as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// As [`integer`], not negative.
pub(super) fn unsigned(value: &Value, name: &str) -> Option<u64> {
    match value.get(name)?.as_u64() {
        Some(number) => Some(number),
        None => integer(value, name).and_then(|number| u64::try_from(number).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn half_an_emoji_is_replaced_and_a_whole_one_is_not() {
        for (written, read, lossy) in [
            (r#""a\ud83db""#, "a\u{fffd}b", true),
            (r#""a\uD83D""#, "a\u{fffd}", true),
            (r#""\ude42x""#, "\u{fffd}x", true),
            (r#""\ud83d\ud83d\ude42""#, "\u{fffd}🙂", true),
            (r#""\ud83d\ude42""#, "🙂", false),
            // The first and the last of all pairs, beside a half.
            (r#""\ud800\udc00\udbff\udfff\ud800""#, "\u{10000}\u{10ffff}\u{fffd}", true),
            (r#""\\ud83d""#, "\\ud83d", false),
            (r#""\\\ud83d""#, "\\\u{fffd}", true),
            (r#""\ud83d\n""#, "\u{fffd}\n", true),
            ("\"\\ud83dé\"", "\u{fffd}é", true),
            ("\u{feff}\"bom\"", "bom", false),
            (r#""\u2028""#, "\u{2028}", false),
        ] {
            let document = document(written.as_bytes()).unwrap();
            assert_eq!(document.value, json!(read), "{written}");
            assert_eq!(document.lossy, lossy, "{written}");
        }
        let document = document(b"\"\xff\xed\xa0\xbd\"").unwrap();
        assert!(document.lossy && document.value.as_str().unwrap().starts_with('\u{fffd}'));
    }

    #[test]
    fn numbers_are_read_as_they_come() {
        let value = json!({"a": 7, "b": "7", "c": 7.0, "d": 7.5, "e": -1, "f": u64::MAX, "g": [],
            "h": 1e300});
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
            assert_eq!(
                (integer(&value, name), unsigned(&value, name)),
                (signed, positive),
                "{name}"
            );
        }
        assert_eq!(scalar(&value, "a").as_deref(), Some("7"));
        assert_eq!(scalar(&value, "g"), None);
    }

    proptest! {
        #[test]
        fn what_is_json_is_read_as_it_is(text in ".{0,40}") {
            let document = document(json!({"m": text}).to_string().as_bytes()).unwrap();
            prop_assert_eq!(text_of(&document.value), Some(text.as_str()));
            prop_assert!(!document.lossy);
        }

        #[test]
        fn any_string_of_utf_16_units_is_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let document = document(format!("{{\"m\":\"{escaped}\"}}").as_bytes()).unwrap();
            let expected = String::from_utf16_lossy(&units);
            prop_assert_eq!(text_of(&document.value), Some(expected.as_str()));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = document(&bytes);
        }
    }

    fn text_of(value: &Value) -> Option<&str> {
        text(value, "m")
    }
}
