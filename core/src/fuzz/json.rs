//! The JSON reader beside serde_json.

use serde::Deserialize as _;
use serde::de::value::{BytesDeserializer, Error, MapDeserializer};
use serde_json::{Value, from_slice, json};

use super::document::document;
use super::words::{MANIFESTS, NOTIFICATIONS, OTHERS};
use crate::json::parse::MAX_DEPTH;
use crate::json::write::write_text;
use crate::json::{Json, JsonTape, parse};

mod optional;
mod repaired;
mod tree;

use optional::Optional;
use repaired::repaired;
use tree::Tree;

/// serde_json reads 128 levels.
const THEIR_DEPTH: usize = 120;

/// Any bytes as JSON, or after 0xff the description of a document: what is read is what serde_json reads of the
/// same text with its faults repaired, nothing else is read, and it can be stored within other JSON and read back.
pub fn json(data: &[u8]) {
    let made;
    let data = match data.split_first() {
        Some((0xff, description)) => {
            made = document(description, &[NOTIFICATIONS, OTHERS, MANIFESTS].concat());
            &*made
        }
        _ => data,
    };
    let ours = parse(data).ok();
    let theirs = repaired(data);
    assert_eq!(ours.is_some(), theirs.is_some(), "one of both reads it");
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        assert!(from_slice::<Value>(data).is_err(), "serde_json reads it");
        return;
    };
    let value = ours.tape.root().to_value();
    if theirs.depth <= THEIR_DEPTH {
        let expected = serde_json::from_str::<Tree>(&theirs.text).expect("what was repaired");
        let (expected, is_cut) = expected.cut(MAX_DEPTH);
        assert_eq!(Tree::of(ours.tape.root()), expected, "{}", theirs.text);
        assert_eq!(ours.lossy, theirs.lossy || is_cut, "{}", theirs.text);
    }
    assert_eq!(ours.no_value.is_some(), theirs.no_value);
    if let Ok(strict) = from_slice::<Value>(data)
        && !ours.lossy
    {
        assert_eq!(value, strict);
    }
    stored(&value);
    other_formats(&value, data);
    texts(ours.tape.root());
    // It may be a consumer's message.
    let shown = format!("{:?} {:?}", ours.tape, ours.tape.root());
    assert_eq!(shown, "JsonTape(..) Json(..)");
}

/// A format that knows options gives the same value. One that gives bytes for a value or a name is refused.
fn other_formats(value: &Value, bytes: &[u8]) {
    let some = JsonTape::deserialize(Optional(Some(value))).expect("JSON");
    assert_eq!(some.root(), *value);
    assert!(JsonTape::deserialize(Optional(None)).expect("JSON").root().is_null());
    let of_bytes = JsonTape::deserialize(BytesDeserializer::<Error>::new(bytes));
    let named = std::iter::once((BytesDeserializer::<Error>::new(bytes), true));
    let named = JsonTape::deserialize(MapDeserializer::new(named));
    for (refused, wanted) in [(of_bytes, "expected a JSON value"), (named, "expected a name")] {
        let error = refused.expect_err("bytes").to_string();
        assert_eq!(error, format!("invalid type: byte array, {wanted}"));
    }
}

fn stored(value: &Value) {
    let stored = json!([[[[{"held": value}]]]]).to_string();
    let again: Value = from_slice(stored.as_bytes()).expect("what was stored");
    assert_eq!(again, json!([[[[{"held": value}]]]]));
    let tape: JsonTape = from_slice(value.to_string().as_bytes()).expect("what was stored");
    assert_eq!(tape.root().to_value(), *value);
    assert_eq!(JsonTape::from(value).root(), *value);
    assert_eq!(serde_json::to_value(&tape).expect("JSON"), *value);
}

/// Each text is written as serde_json writes it, each member found, and each part a document of its own.
fn texts(value: Json<'_>) {
    if let Some(text) = value.as_str() {
        let mut written = Vec::new();
        write_text(text, &mut written);
        assert_eq!(written, serde_json::to_vec(text).expect("a text"));
    }
    for (name, _) in value.members() {
        let last = value.members().filter(|(other, _)| *other == name).last();
        assert!(value.get(name) == last.map(|(_, member)| member), "not the last {name:?}");
    }
    for part in value.elements().chain(value.members().map(|(_, member)| member)) {
        let tape = part.to_tape();
        assert_eq!(tape.root(), part);
    }
    // One level is enough: the parts have the same shape.
    value.elements().chain(value.members().map(|(_, member)| member)).take(8).for_each(|part| {
        if let Some(text) = part.as_str() {
            let mut written = Vec::new();
            write_text(text, &mut written);
            assert_eq!(written, serde_json::to_vec(text).expect("a text"));
        }
    });
}
