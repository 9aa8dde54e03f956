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
pub(crate) struct JsonTape {
    pub(super) text: String,
    pub(super) nodes: Vec<TapeNode>,
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
    /// The value whose node is at `at`, and nothing else of the document but its texts. Nothing is copied.
    pub(crate) fn into_part(mut self, at: usize) -> Self {
        let span = self.nodes.get(at).map_or(0, |node| node.span());
        self.nodes.truncate(at.saturating_add(span));
        self.nodes.drain(..at.min(self.nodes.len()));
        self
    }
}

impl Default for JsonTape {
    fn default() -> Self {
        Self { text: String::new(), nodes: vec![TapeNode::Null] }
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
        let mut builder = Builder::default();
        builder.deserialize(deserializer)?;
        Ok(builder.finish())
    }
}

/// Builds a tape node by node. The methods return `None` if the document is too long for a tape.
#[derive(Default)]
pub(super) struct Builder {
    text: String,
    nodes: Vec<TapeNode>,
}

impl Builder {
    /// A builder with room for a document of this length in bytes.
    pub(super) fn for_source(length: usize) -> Self {
        // Documents rarely have more than a node for each 16 bytes; texts rarely outgrow the source.
        Self { text: String::with_capacity(length), nodes: Vec::with_capacity(length / 16) }
    }

    pub(super) fn finish(mut self) -> JsonTape {
        // Giving a little memory back costs as much as asking for it.
        if self.text.len() < self.text.capacity() / 2 {
            self.text.shrink_to_fit();
        }
        if self.nodes.len() < self.nodes.capacity() / 2 {
            self.nodes.shrink_to_fit();
        }
        JsonTape { text: self.text, nodes: self.nodes }
    }

    pub(super) fn push(&mut self, node: TapeNode) -> Option<()> {
        self.open(node).map(|_| ())
    }

    /// Adds the node of an array or object, and returns its place.
    pub(super) fn open(&mut self, node: TapeNode) -> Option<usize> {
        let at = self.nodes.len();
        (at < u32::MAX as usize).then(|| self.nodes.push(node))?;
        Some(at)
    }

    /// Ends the array or object at `at`: every node after it belongs to it. Returns what stood in the place of
    /// their number until then.
    pub(super) fn close(&mut self, at: usize) -> u32 {
        let held = self.nodes.len().saturating_sub(at + 1);
        match (self.nodes.get_mut(at), u32::try_from(held)) {
            (Some(TapeNode::Array { nodes } | TapeNode::Object { nodes }), Ok(held)) => {
                std::mem::replace(nodes, held)
            }
            _ => 0,
        }
    }

    /// The node at `at`.
    pub(super) fn node(&self, at: usize) -> Option<TapeNode> {
        self.nodes.get(at).copied()
    }

    /// Where the next text begins.
    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Adds a part of a text.
    pub(super) fn add_text(&mut self, part: &str) {
        self.text.push_str(part);
    }

    /// Ends the text that begins at `start`.
    pub(super) fn end_text(&mut self, start: usize) -> Option<()> {
        u32::try_from(self.text.len()).ok()?;
        let length = u32::try_from(self.text.len().checked_sub(start)?).ok()?;
        self.push(TapeNode::Text { at: u32::try_from(start).ok()?, length })
    }

    fn text<E: de::Error>(&mut self, text: &str) -> Result<(), E> {
        let start = self.text_len();
        self.add_text(text);
        self.end_text(start).ok_or_else(too_long)
    }

    fn add<E: de::Error>(&mut self, node: TapeNode) -> Result<(), E> {
        self.push(node).ok_or_else(too_long)
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
        self.add(TapeNode::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.add(TapeNode::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.add(TapeNode::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.add(TapeNode::Unsigned(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.add(u64::try_from(value).map_or(TapeNode::Signed(value), TapeNode::Unsigned))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        // JSON can write neither infinity nor NaN.
        self.add(if value.is_finite() { TapeNode::Float(value) } else { TapeNode::Null })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let at = self.nodes.len();
        self.add(TapeNode::Array { nodes: 0 })?;
        while elements.next_element_seed(&mut *self)?.is_some() {}
        self.close(at);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let at = self.nodes.len();
        self.add(TapeNode::Object { nodes: 0 })?;
        while members.next_key_seed(Name(self))?.is_some() {
            members.next_value_seed(&mut *self)?;
        }
        self.close(at);
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
