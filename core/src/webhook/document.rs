//! A JSON value as it came, in two pieces of memory however many members it has.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::json::Json;

/// A JSON value of its own.
///
/// A tree of maps and strings takes an allocation for each name and each text in it; a notification is
/// read once and has dozens of them. Here all texts stand in one string, and all else in one list.
#[derive(Clone)]
pub(super) struct Document {
    text: Box<str>,
    nodes: Box<[Node]>,
}

/// A value, or the name of a member, which stands before its value. What an array or object holds
/// follows it: so many nodes in all.
#[derive(Clone, Copy)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Negative.
    Signed(i64),
    Float(f64),
    Text {
        at: u32,
        length: u32,
    },
    Array {
        nodes: u32,
    },
    Object {
        nodes: u32,
    },
}

impl Node {
    /// How many nodes it is, with all that it holds.
    pub(super) fn span(self) -> usize {
        match self {
            Self::Array { nodes } | Self::Object { nodes } => 1 + nodes as usize,
            _ => 1,
        }
    }
}

impl Document {
    /// The value itself.
    pub(super) fn root(&self) -> Json<'_> {
        Json::new(&self.nodes, &self.text)
    }

    /// That of a part of another: it holds no more than this part.
    pub(super) fn of(part: Json<'_>) -> Self {
        let mut copy = Self { text: Box::default(), nodes: part.nodes().into() };
        // The texts of a part stand together, in the order of its nodes.
        let texts = || {
            part.nodes().iter().filter_map(|node| match *node {
                Node::Text { at, length } => Some((at, at.saturating_add(length))),
                _ => None,
            })
        };
        if let (Some((from, _)), Some((_, to))) = (texts().next(), texts().next_back()) {
            copy.text = part.text().get(from as usize..to as usize).unwrap_or_default().into();
            for node in &mut copy.nodes {
                if let Node::Text { at, .. } = node {
                    *at = at.saturating_sub(from);
                }
            }
        }
        copy
    }

    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // Seldom less than a node for each 16 bytes, and never more text than there is.
        let mut builder = Builder { text: String::with_capacity(text.len()), nodes: Vec::new() };
        builder.nodes.reserve(text.len() / 16);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        builder.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(builder.finish())
    }
}

impl Default for Document {
    fn default() -> Self {
        Self { text: Box::default(), nodes: Box::new([Node::Null]) }
    }
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        // It fails for more text than 4 GiB, which is nothing that came over the wire.
        Self::deserialize(value).unwrap_or_default()
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(..)")
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut builder = Builder { text: String::new(), nodes: Vec::new() };
        builder.deserialize(deserializer)?;
        Ok(builder.finish())
    }
}

/// A document that grows.
struct Builder {
    text: String,
    nodes: Vec<Node>,
}

impl Builder {
    fn finish(self) -> Document {
        Document { text: self.text.into_boxed_str(), nodes: self.nodes.into_boxed_slice() }
    }

    fn push<E: de::Error>(&mut self, node: Node) -> Result<(), E> {
        if self.nodes.len() >= u32::MAX as usize {
            return Err(too_long());
        }
        self.nodes.push(node);
        Ok(())
    }

    fn text<E: de::Error>(&mut self, text: &str) -> Result<(), E> {
        let at = u32::try_from(self.text.len()).map_err(|_| too_long())?;
        let length = u32::try_from(text.len()).map_err(|_| too_long())?;
        at.checked_add(length).ok_or_else(too_long)?;
        self.text.push_str(text);
        self.push(Node::Text { at, length })
    }

    /// What came after the node at `at` is in it.
    fn close(&mut self, at: usize, holding: fn(u32) -> Node) {
        let held = self.nodes.len().saturating_sub(at + 1);
        if let (Some(node), Ok(held)) = (self.nodes.get_mut(at), u32::try_from(held)) {
            *node = holding(held);
        }
    }
}

fn too_long<E: de::Error>() -> E {
    E::custom("the document is too long")
}

impl<'de> DeserializeSeed<'de> for &mut Builder {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Builder {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.push(Node::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.push(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.push(Node::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.push(Node::Unsigned(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.push(u64::try_from(value).map_or(Node::Signed(value), Node::Unsigned))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        // JSON has no other numbers, and no name for these.
        self.push(if value.is_finite() { Node::Float(value) } else { Node::Null })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let at = self.nodes.len();
        self.push(Node::Array { nodes: 0 })?;
        while elements.next_element_seed(&mut *self)?.is_some() {}
        self.close(at, |nodes| Node::Array { nodes });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let at = self.nodes.len();
        self.push(Node::Object { nodes: 0 })?;
        while members.next_key_seed(Name(self))?.is_some() {
            members.next_value_seed(&mut *self)?;
        }
        self.close(at, |nodes| Node::Object { nodes });
        Ok(())
    }
}

/// The name of a member: text, whatever else it looks like.
struct Name<'a>(&'a mut Builder);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<(), E> {
        self.0.text(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// All values in it, itself among them.
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
        /// serde_json's own tree is the oracle.
        #[test]
        fn it_is_the_value_that_it_was_made_of(value in value()) {
            let text = value.to_string();
            let value: Value = serde_json::from_str(&text).unwrap();
            let parsed = Document::parse(&text).unwrap();
            prop_assert_eq!(&parsed.root().to_value(), &value);
            prop_assert_eq!(serde_json::to_value(&parsed).unwrap(), value.clone());
            prop_assert!(Document::from(&value) == parsed);
            prop_assert!(Document::of(parsed.root()) == parsed);
        }

        #[test]
        fn a_part_stands_by_itself(value in value()) {
            let whole = Document::from(&value);
            let expected: Vec<Value> = parts(&value).into_iter().cloned().collect();
            let found: Vec<Value> =
                parts_of(whole.root()).into_iter().map(|part| Document::of(part).root().to_value()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn what_is_no_json_is_refused_as_serde_json_does(text in "[\\[\\]{}\",:0-9a-e. -]{0,20}") {
            let theirs = serde_json::from_str::<Value>(&text);
            let ours = Document::parse(&text);
            prop_assert_eq!(ours.as_ref().map(|document| document.root().to_value()).ok(), theirs.ok());
        }
    }

    #[test]
    fn a_part_keeps_nothing_of_its_neighbours() {
        let value = json!({"a": "x".repeat(1000), "b": ["y"], "c": "z".repeat(1000)});
        let whole = Document::from(&value);
        let part = Document::of(whole.root().get("b").unwrap());
        assert_eq!((part.text.len(), part.nodes.len()), (1, 2));
    }

    #[test]
    fn of_members_with_one_name_the_last_counts() {
        let text = r#"{"a":1,"b":{"a":2},"a":3}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!(document.root().get("a").and_then(Json::as_u64), Some(3));
        assert_eq!(document.root().to_value(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn depth_is_bounded() {
        assert!(Document::parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn each_kind_of_value_is_read_as_what_it_is_and_nothing_else() {
        let document = Document::parse(r#"[null,true,false,7,-7,7.5,"7",[],{}]"#).unwrap();
        let all: Vec<_> = document.root().elements().collect();
        let read: Vec<_> =
            all.iter().map(|one| (one.as_bool(), one.as_u64(), one.as_i64())).collect();
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
        assert_eq!(Document::from(&json!(u64::MAX)).root().as_i64(), None);
    }

    #[test]
    fn it_differs_from_what_it_is_not() {
        let (one, other) = (Document::from(&json!({"a": 1})), Document::from(&json!({"a": 2})));
        assert!(one != other && one.root() != other.root() && one.root() != json!({"a": 2}));
        assert!(one.root() == json!({"a": 1}));
        assert_eq!(format!("{one:?}"), "Document(..)");
    }

    #[test]
    fn it_comes_out_of_any_store_that_knows_options() {
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
        assert_eq!(Document::deserialize(Store(Some(true))).unwrap().root(), json!(true));
        assert_eq!(Document::deserialize(Store(None)).unwrap().root(), Value::Null);
        impl IntoDeserializer<'_, Error> for Store {
            type Deserializer = Self;
            fn into_deserializer(self) -> Self {
                self
            }
        }
        let several = [Store(None), Store(Some(true)), Store(None)].into_iter();
        let several = Document::deserialize(SeqDeserializer::new(several)).unwrap();
        assert_eq!(several.root(), json!([null, true, null]));
    }

    #[test]
    fn a_store_that_holds_something_else_is_told_what_was_expected() {
        use serde::de::value::{BytesDeserializer, Error, MapDeserializer};
        let bytes = Document::deserialize(BytesDeserializer::<Error>::new(b"x")).err().unwrap();
        assert_eq!(bytes.to_string(), "invalid type: byte array, expected a JSON value");
        let numbered = MapDeserializer::<_, Error>::new([(7, true)].into_iter());
        let numbered = Document::deserialize(numbered).err().unwrap();
        assert_eq!(numbered.to_string(), "invalid type: integer `7`, expected a name");
    }
}
