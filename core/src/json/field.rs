//! Reads the members of JSON that decisions depend on, in every shape that the protocol allows.

use std::borrow::Cow;

use super::view::Json;
use crate::time::Timestamp;

/// A member of an object that something depends on.
///
/// Whatever is decided by it treats [`Unreadable`](Self::Unreadable) as neither the default of an
/// absent member nor as any value: what cannot be read is never a permission. `null` counts as absent,
/// because the platform writes it for "none" ([protocol.md 9.4](crate::protocol#9.4), `metadata`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field<T> {
    /// The member is missing, or `null`.
    Absent,
    /// The member, in a form that the protocol allows.
    Known(T),
    /// The member is present in another form, or several times with different values.
    Unreadable,
}

impl<T> Field<T> {
    /// The value, if it is readable.
    pub(crate) fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unreadable => None,
        }
    }

    /// Converts the value. `None` makes it unreadable.
    pub(crate) fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Known(value) => read(value).map_or(Field::Unreadable, Field::Known),
            Self::Unreadable => Field::Unreadable,
        }
    }

    /// The other field, if this one is absent. An unreadable one is not replaced.
    pub(crate) fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Absent => other(),
            found => found,
        }
    }
}

/// A member of any type.
pub(crate) fn any<'a>(value: Json<'a>, name: &str) -> Field<Json<'a>> {
    match value.named(name) {
        (_, true) => Field::Unreadable,
        (Some(member), false) if !member.is_null() => Field::Known(member),
        _ => Field::Absent,
    }
}

/// A member that is an object.
pub(crate) fn object<'a>(value: Json<'a>, name: &str) -> Field<Json<'a>> {
    any(value, name).and_then(|member| member.is_object().then_some(member))
}

/// A member that is text.
pub(crate) fn text_field<'a>(value: Json<'a>, name: &str) -> Field<&'a str> {
    any(value, name).and_then(Json::as_str)
}

/// A member that is text, or an integer in its place ([protocol.md 14](crate::protocol#14), rows 2
/// and 34). Another number names nothing: a float does not keep its digits.
pub(crate) fn scalar_field<'a>(value: Json<'a>, name: &str) -> Field<Cow<'a, str>> {
    any(value, name).and_then(|member| match (member.as_str(), member.as_u64()) {
        (Some(text), _) => Some(Cow::Borrowed(text)),
        (None, Some(number)) => Some(Cow::Owned(number.to_string())),
        (None, None) => whole(member).map(|number| Cow::Owned(number.to_string())),
    })
}

/// A member that is text, if it is readable.
pub(crate) fn text<'a>(value: Json<'a>, name: &str) -> Option<&'a str> {
    text_field(value, name).known()
}

/// A member that is text, or an integer in its place, if it is readable.
pub(crate) fn scalar<'a>(value: Json<'a>, name: &str) -> Option<Cow<'a, str>> {
    scalar_field(value, name).known()
}

/// A member that is an integer, as a number or as a string of digits.
pub(crate) fn integer(value: Json<'_>, name: &str) -> Option<i64> {
    any(value, name).and_then(as_integer).known()
}

/// A member that is an integer of at least 0, as a number or as a string of digits.
pub(crate) fn unsigned(value: Json<'_>, name: &str) -> Option<u64> {
    any(value, name).and_then(as_unsigned).known()
}

/// A member that is a time in milliseconds, as a number or as a string of digits.
pub(crate) fn timestamp(value: Json<'_>, name: &str) -> Option<Timestamp> {
    unsigned(value, name).map(Timestamp::from_millis)
}

/// The elements of an array, or the bare element in its place
/// ([protocol.md 1.4](crate::protocol#1.4)).
pub(crate) fn one_or_many(value: Option<Json<'_>>) -> impl Iterator<Item = Json<'_>> {
    let one = value.filter(|value| !value.is_array() && !value.is_null());
    value.into_iter().flat_map(Json::elements).chain(one)
}

/// An integer of at least 0, as a number or as a string of digits.
pub(crate) fn as_unsigned(value: Json<'_>) -> Option<u64> {
    value.as_u64().or_else(|| as_integer(value).and_then(|number| u64::try_from(number).ok()))
}

fn as_integer(value: Json<'_>) -> Option<i64> {
    match value.as_str() {
        Some(digits) => digits.trim().parse().ok(),
        None => whole(value),
    }
}

/// A number without a fraction.
fn whole(number: Json<'_>) -> Option<i64> {
    number.as_i64().or_else(|| {
        let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
        // Larger floats do not name a single integer.
        (number.abs() < 9e15).then_some(number as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::JsonTape;
    use serde_json::json;

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

    /// The first integer that a float does not have is 2^53 + 1.
    #[test]
    fn large_integers_keep_their_last_digit() {
        for number in [9_007_199_254_740_993, 9_223_372_036_854_775_807_i64] {
            let tape = JsonTape::from(
                &json!({"number": number, "digits": number.to_string(), "blanks": format!(" {number}\n")}),
            );
            for name in ["number", "digits", "blanks"] {
                let read = (integer(tape.root(), name), unsigned(tape.root(), name));
                assert_eq!(read, (Some(number), Some(number as u64)), "{name}");
            }
        }
        let tape = JsonTape::parse(r#"{"m":18446744073709551613}"#).unwrap();
        assert_eq!(unsigned(tape.root(), "m"), Some(u64::MAX - 2));
    }

    #[test]
    fn floats_are_integers_while_they_are_exact() {
        let tape = JsonTape::from(&json!({"a": 8.9e15, "b": 9e15, "c": -8.9e15}));
        let read = |name: &str| integer(tape.root(), name);
        assert_eq!(read("a"), Some(8_900_000_000_000_000));
        assert_eq!((read("b"), read("c")), (None, Some(-8_900_000_000_000_000)));
    }

    #[test]
    fn null_is_absent_and_a_wrong_type_is_unreadable() {
        for (text, expected) in [
            ("{}", Field::Absent),
            (r#"{"m":null}"#, Field::Absent),
            (r#"{"m":"x"}"#, Field::Known("x")),
            (r#"{"m":"x","m":"x"}"#, Field::Known("x")),
            (r#"{"m":"x","m":"y"}"#, Field::Unreadable),
            (r#"{"m":"x","m":null}"#, Field::Unreadable),
            (r#"{"m":true}"#, Field::Unreadable),
            (r#"{"m":7}"#, Field::Unreadable),
            (r#"{"m":1e400}"#, Field::Unreadable),
            (r#"{"m":["x"]}"#, Field::Unreadable),
            (r#"{"m":{"m":"x"}}"#, Field::Unreadable),
            ("[]", Field::Absent),
        ] {
            assert_eq!(text_field(JsonTape::parse(text).unwrap().root(), "m"), expected, "{text}");
        }
    }

    #[test]
    fn a_number_that_loses_digits_is_no_id() {
        for (number, id) in [
            ("7", Some("7")),
            ("-7", Some("-7")),
            ("7.0", Some("7")),
            ("9007199254740993", Some("9007199254740993")),
            ("-9007199254740993", Some("-9007199254740993")),
            ("9223372036854775807", Some("9223372036854775807")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("18446744073709551616", None),
            ("7.5", None),
            ("1e400", None),
        ] {
            let tape = JsonTape::parse(&format!(r#"{{"m":{number}}}"#)).unwrap();
            assert_eq!(scalar(tape.root(), "m").as_deref(), id, "{number}");
        }
    }
}
