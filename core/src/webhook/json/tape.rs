//! A JSON document in two allocations, however many members it has.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A JSON value that owns its memory.
///
/// A tree of maps and strings allocates for each name and each text, and a notification has dozens.
/// A tape holds all texts in one string and all values in one list.
#[derive(Clone)]
pub(in crate::webhook) struct JsonTape {
    pub(super) text: Box<str>,
    pub(super) nodes: Box<[TapeNode]>,
}

/// One value, or the name of a member, which precedes its value. An array or object is followed by
/// everything in it: `nodes` of them in all.
#[derive(Clone, Copy)]
pub(super) enum TapeNode {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Always negative.
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

impl TapeNode {
    /// The number of nodes of this value, itself included.
    pub(super) fn span(self) -> usize {
        match self {
            Self::Array { nodes } | Self::Object { nodes } => 1 + nodes as usize,
            _ => 1,
        }
    }
}

impl JsonTape {
    /// Parses strict JSON.
    pub(in crate::webhook) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // Documents rarely have more than a node for each 16 bytes; texts never outgrow the source.
        let mut builder = Builder { text: String::with_capacity(text.len()), nodes: Vec::new() };
        builder.nodes.reserve(text.len() / 16);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        builder.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(builder.finish())
    }
}

impl Default for JsonTape {
    fn default() -> Self {
        Self { text: Box::default(), nodes: Box::new([TapeNode::Null]) }
    }
}

impl From<&Value> for JsonTape {
    fn from(value: &Value) -> Self {
        // This fails above 4 GiB of text, which never comes over the wire.
        Self::deserialize(value).unwrap_or_default()
    }
}

impl fmt::Debug for JsonTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonTape(..)")
    }
}

impl<'de> Deserialize<'de> for JsonTape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut builder = Builder { text: String::new(), nodes: Vec::new() };
        builder.deserialize(deserializer)?;
        Ok(builder.finish())
    }
}

/// Builds a tape node by node.
struct Builder {
    text: String,
    nodes: Vec<TapeNode>,
}

impl Builder {
    fn finish(self) -> JsonTape {
        JsonTape { text: self.text.into_boxed_str(), nodes: self.nodes.into_boxed_slice() }
    }

    fn push<E: de::Error>(&mut self, node: TapeNode) -> Result<(), E> {
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
        self.push(TapeNode::Text { at, length })
    }

    /// Ends the array or object at `at`: every node after it belongs to it.
    fn close(&mut self, at: usize, holding: fn(u32) -> TapeNode) {
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
        self.push(TapeNode::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.push(TapeNode::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.push(TapeNode::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.push(TapeNode::Unsigned(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.push(u64::try_from(value).map_or(TapeNode::Signed(value), TapeNode::Unsigned))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        // JSON can write neither infinity nor NaN.
        self.push(if value.is_finite() { TapeNode::Float(value) } else { TapeNode::Null })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let at = self.nodes.len();
        self.push(TapeNode::Array { nodes: 0 })?;
        while elements.next_element_seed(&mut *self)?.is_some() {}
        self.close(at, |nodes| TapeNode::Array { nodes });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let at = self.nodes.len();
        self.push(TapeNode::Object { nodes: 0 })?;
        while members.next_key_seed(Name(self))?.is_some() {
            members.next_value_seed(&mut *self)?;
        }
        self.close(at, |nodes| TapeNode::Object { nodes });
        Ok(())
    }
}

/// Reads the name of a member, which is always text.
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
