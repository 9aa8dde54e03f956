//! The tape and its view, with serde_json's own tree as the oracle.

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::Value;

use super::{Json, JsonTape, parse};
use proptest::prelude::*;
use serde_json::json;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A value without brackets, quotes or escapes in its texts.
pub(super) fn plain_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The value and every value in it.
fn parts(of: &Value) -> Vec<&Value> {
    let held: Vec<&Value> = match of {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    };
    std::iter::once(of).chain(held.into_iter().flat_map(parts)).collect()
}

fn parts_of(of: Json<'_>) -> Vec<Json<'_>> {
    let held: Vec<_> = if of.is_object() {
        of.members().map(|(_, value)| value).collect()
    } else {
        of.elements().collect()
    };
    std::iter::once(of).chain(held.into_iter().flat_map(parts_of)).collect()
}

proptest! {
    #[test]
    fn tape_equals_what_it_was_parsed_from(value in value()) {
        let text = value.to_string();
        let value: Value = serde_json::from_str(&text).unwrap();
        let parsed = JsonTape::parse(&text).unwrap();
        prop_assert_eq!(&parsed.root().to_value(), &value);
        prop_assert_eq!(serde_json::to_value(&parsed).unwrap(), value.clone());
        prop_assert!(JsonTape::from(&value) == parsed);
        prop_assert!(parsed.root().to_tape() == parsed);
    }

    #[test]
    fn a_part_copies_to_a_tape_of_its_own(value in value()) {
        let whole = JsonTape::from(&value);
        let expected: Vec<Value> = parts(&value).into_iter().cloned().collect();
        let found: Vec<Value> =
            parts_of(whole.root()).into_iter().map(|part| part.to_tape().root().to_value()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn json_is_read_as_by_serde_json_or_with_a_loss(text in "[\\[\\]{}\",:0-9a-e. -]{0,20}") {
        let theirs = serde_json::from_str::<Value>(&text);
        let ours = parse(text.as_bytes());
        match (ours, theirs) {
            (ours, Ok(theirs)) => prop_assert_eq!(ours.unwrap().tape.root().to_value(), theirs),
            (Ok(ours), Err(_)) => {
                // Read in spite of a bad element, which is told, or of a comma after the last one.
                let close: String = text.split_whitespace().collect();
                prop_assert!(ours.lossy || close.contains(",]") || close.contains(",}"), "{}", text);
            }
            (Err(_), Err(_)) => {}
        }
    }
}

#[test]
fn a_copied_part_drops_its_neighbours() {
    let value = json!({"a": "x".repeat(1000), "b": ["y"], "c": "z".repeat(1000)});
    let whole = JsonTape::from(&value);
    let part = whole.root().get("b").unwrap().to_tape();
    assert_eq!((part.text.len(), part.nodes.len()), (1, 2));
}

/// A source of 160 bytes has room for 160 bytes of text and 10 nodes.
#[test]
fn memory_is_given_back_if_less_than_half_is_used() {
    let parsed = |document: &str| JsonTape::parse(&format!("{document:160}")).unwrap();
    for (letters, is_kept) in [(79, false), (80, true), (81, true)] {
        let tape = parsed(&format!("\"{}\"", "x".repeat(letters)));
        assert_eq!(tape.text.capacity() >= 160, is_kept, "{letters}");
    }
    for (document, nodes, is_kept) in
        [("[7,7,7]", 4, false), ("[7,7,7,7]", 5, true), ("[7,7,7,7,7]", 6, true)]
    {
        let tape = parsed(document);
        assert_eq!((tape.nodes.len(), tape.nodes.capacity() >= 10), (nodes, is_kept));
    }
}

#[test]
fn the_last_of_duplicate_members_counts() {
    let text = r#"{"a":1,"b":{"a":2},"a":3}"#;
    let document = JsonTape::parse(text).unwrap();
    assert_eq!(document.root().get("a").and_then(Json::as_u64), Some(3));
    assert_eq!(document.root().to_value(), serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn depth_is_bounded() {
    assert!(JsonTape::parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn each_kind_of_value_reads_as_that_kind_only() {
    let document = JsonTape::parse(r#"[null,true,false,7,-7,7.5,"7",[],{}]"#).unwrap();
    let all: Vec<_> = document.root().elements().collect();
    let read: Vec<_> = all.iter().map(|one| (one.as_bool(), one.as_u64(), one.as_i64())).collect();
    assert_eq!(
        read,
        [
            (None, None, None),
            (Some(true), None, None),
            (Some(false), None, None),
            (None, Some(7), Some(7)),
            (None, None, Some(-7)),
            (None, None, None),
            (None, None, None),
            (None, None, None),
            (None, None, None),
        ]
    );
    let floats: Vec<_> = all.iter().filter_map(|one| one.as_f64()).collect();
    assert_eq!(floats, [7.0, -7.0, 7.5]);
    let kinds: Vec<_> =
        all.iter().map(|one| (one.is_null(), one.is_array(), one.is_object())).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == (false, false, false)).count(), 6);
    assert!(kinds[0].0 && kinds[7].1 && kinds[8].2);
    assert_eq!(JsonTape::from(&json!(u64::MAX)).root().as_i64(), None);
}

#[test]
fn different_values_are_unequal() {
    let (one, other) = (JsonTape::from(&json!({"a": 1})), JsonTape::from(&json!({"a": 2})));
    assert!(one != other && one.root() != other.root() && one.root() != json!({"a": 2}));
    assert!(one.root() == json!({"a": 1}));
    assert_eq!(format!("{one:?}"), "JsonTape(..)");
}

#[test]
fn a_format_with_options_deserializes() {
    use serde::de::IntoDeserializer;
    use serde::de::value::{BoolDeserializer, Error, SeqDeserializer};
    struct Store(Option<bool>);
    impl<'de> Deserializer<'de> for Store {
        type Error = Error;
        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0 {
                Some(held) => {
                    let held: BoolDeserializer<Error> = held.into_deserializer();
                    visitor.visit_some(held)
                }
                None => visitor.visit_none(),
            }
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option
            unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
            ignored_any
        }
    }
    assert_eq!(JsonTape::deserialize(Store(Some(true))).unwrap().root(), json!(true));
    assert_eq!(JsonTape::deserialize(Store(None)).unwrap().root(), Value::Null);
    impl IntoDeserializer<'_, Error> for Store {
        type Deserializer = Self;
        fn into_deserializer(self) -> Self {
            self
        }
    }
    let several = [Store(None), Store(Some(true)), Store(None)].into_iter();
    let several = JsonTape::deserialize(SeqDeserializer::new(several)).unwrap();
    assert_eq!(several.root(), json!([null, true, null]));
}

#[test]
fn other_types_fail_with_what_was_expected() {
    use serde::de::value::{BytesDeserializer, Error, MapDeserializer};
    let bytes = JsonTape::deserialize(BytesDeserializer::<Error>::new(b"x")).err().unwrap();
    assert_eq!(bytes.to_string(), "invalid type: byte array, expected a JSON value");
    let numbered = MapDeserializer::<_, Error>::new([(7, true)].into_iter());
    let numbered = JsonTape::deserialize(numbered).err().unwrap();
    assert_eq!(numbered.to_string(), "invalid type: integer `7`, expected a name");
}

#[test]
fn memory_for_text_is_given_back_if_most_is_free() {
    // The document is as long as the memory that its texts may take.
    for (length, is_kept) in [(99, false), (100, true)] {
        let text = format!("\"{}\"", "x".repeat(length));
        let tape = JsonTape::parse(&format!("{text:200}")).unwrap();
        assert_eq!(tape.text.capacity() >= 200, is_kept, "{length}");
    }
}
