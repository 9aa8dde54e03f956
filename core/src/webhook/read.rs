//! Reading what LivePerson sends, however it is written.

use std::borrow::Cow;

use super::document::Document;
use super::json::Json;

/// A document, and whether some of its text had to be replaced to make it one.
pub(super) struct Read {
    pub(super) document: Document,
    pub(super) lossy: bool,
}

/// Parses JSON more tolerantly than JSON is defined: a byte order mark is skipped, and what is no
/// Unicode text (a half of an emoji, as senders cut it, or bytes that are not UTF-8) becomes U+FFFD.
pub(super) fn document(bytes: &[u8]) -> Result<Read, serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // The check alone takes a tenth of the time of the lossy reading, which is seldom needed.
    let text =
        std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    let lossy = matches!(text, Cow::Owned(_));
    match Document::parse(&text) {
        Ok(document) => Ok(Read { document, lossy }),
        Err(error) => match without_lone_surrogates(&text) {
            Some(mended) => Document::parse(&mended).map(|document| Read { document, lossy: true }),
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
pub(super) fn each(value: Option<Json<'_>>) -> impl Iterator<Item = Json<'_>> {
    let one = value.filter(|value| !value.is_array() && !value.is_null());
    value.into_iter().flat_map(Json::elements).chain(one)
}

/// A member that is text, or a number that stands for text (protocol.md 14, rows 2 and 34).
pub(super) fn scalar<'a>(value: Json<'a>, name: &str) -> Option<Cow<'a, str>> {
    let member = value.get(name)?;
    let number = || member.as_f64().map(|_| member.to_value().to_string());
    member.as_str().map(Cow::Borrowed).or_else(|| number().map(Cow::Owned))
}

/// A member that is text.
pub(super) fn text<'a>(value: Json<'a>, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Json::as_str)
}

/// A member that is a whole number, as a number or as digits.
pub(super) fn integer(value: Json<'_>, name: &str) -> Option<i64> {
    let member = value.get(name)?;
    if let Some(digits) = member.as_str() {
        return digits.trim().parse().ok();
    }
    member.as_i64().or_else(|| {
        let number = member.as_f64().filter(|number| number.fract() == 0.0)?;
        // Beyond this a float names no single integer.
        (number.abs() < 9e15).then_some(number as i64)
    })
}

/// As [`integer`], not negative.
pub(super) fn unsigned(value: Json<'_>, name: &str) -> Option<u64> {
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
            (r#""\\ud83d\ud83d""#, "\\ud83d\u{fffd}", true),
            (r#""\\\ud83d""#, "\\\u{fffd}", true),
            (r#""\ud83d\n""#, "\u{fffd}\n", true),
            ("\"\\ud83dé\"", "\u{fffd}é", true),
            ("\u{feff}\"bom\"", "bom", false),
            (r#""\u2028""#, "\u{2028}", false),
        ] {
            let found = document(written.as_bytes()).unwrap();
            assert_eq!(found.document.root().as_str(), Some(read), "{written}");
            assert_eq!(found.lossy, lossy, "{written}");
        }
        let found = document(b"\"\xff\xed\xa0\xbd\"").unwrap();
        assert!(found.lossy && found.document.root().as_str().unwrap().starts_with('\u{fffd}'));
    }

    #[test]
    fn numbers_are_read_as_they_come() {
        let document = Document::from(
            &json!({"a": 7, "b": "7", "c": 7.0, "d": 7.5, "e": -1, "f": u64::MAX, "g": [],
            "h": 1e300}),
        );
        let value = document.root();
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
        fn what_is_json_is_read_as_it_is(text in ".{0,40}") {
            let found = document(json!({"m": text}).to_string().as_bytes()).unwrap();
            prop_assert_eq!(text_of(&found), Some(text.as_str()));
            prop_assert!(!found.lossy);
        }

        #[test]
        fn any_string_of_utf_16_units_is_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let found = document(format!("{{\"m\":\"{escaped}\"}}").as_bytes()).unwrap();
            let expected = String::from_utf16_lossy(&units);
            prop_assert_eq!(text_of(&found), Some(expected.as_str()));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = document(&bytes);
        }
    }

    fn text_of(found: &Read) -> Option<&str> {
        text(found.document.root(), "m")
    }

    #[test]
    fn a_float_names_an_integer_up_to_where_floats_are_exact() {
        let document = Document::from(&json!({"a": 8.9e15, "b": 9e15, "c": -8.9e15}));
        let read = |name: &str| integer(document.root(), name);
        assert_eq!(read("a"), Some(8_900_000_000_000_000));
        assert_eq!((read("b"), read("c")), (None, Some(-8_900_000_000_000_000)));
    }
}
