//! A borrowed view of a JSON value.

use std::fmt;

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::tape::{JsonTape, TapeNode};

/// A JSON value as it came, for members that this crate has no method for.
///
/// It serialises as that JSON, and [`to_value`](Self::to_value) converts it to a [`Value`]. `Debug`
/// redacts it.
///
/// ```
/// use lp_connector_core::webhook::{Change, Verified};
///
/// let body = br#"{"type":"ms.MessagingEventNotification","body":{"changes":[{"dialogId":"5f0c",
///     "event":{"type":"Hologram","metres":[1,2.5]}}]}}"#;
/// let notification = Verified::dangerous_unverified(body.to_vec()).parse()?;
/// let [Change::Message(message)] = notification.changes() else { panic!() };
/// let metres = message.raw().get("event").and_then(|event| event.get("metres")).unwrap();
/// let metres: Vec<_> = metres.elements().filter_map(|metre| metre.as_f64()).collect();
/// assert_eq!(metres, [1.0, 2.5]);
/// # Ok::<(), lp_connector_core::webhook::UnreadableNotification>(())
/// ```
#[derive(Clone, Copy)]
pub struct Json<'a> {
    /// The value and all that it contains.
    nodes: &'a [TapeNode],
    text: &'a str,
}

impl<'a> Json<'a> {
    /// Stands for an absent value.
    pub(crate) const NULL: Json<'static> = Json { nodes: &[TapeNode::Null], text: "" };

    /// The value at the first of `nodes`.
    fn new(nodes: &'a [TapeNode], text: &'a str) -> Self {
        let span = nodes.first().map_or(0, |node| node.span());
        Self { nodes: nodes.get(..span).unwrap_or(nodes), text }
    }

    fn node(self) -> TapeNode {
        self.nodes.first().copied().unwrap_or(TapeNode::Null)
    }

    /// The member of this name, if this is an object that has one. Of duplicates, the last.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        self.named(name).0
    }

    /// The last member of this name, and whether an earlier one of the same name differs from it.
    pub(super) fn named(self, name: &str) -> (Option<Self>, bool) {
        let (mut found, mut differs) = (None::<&[TapeNode]>, false);
        let mut rest = match self.node() {
            TapeNode::Object { .. } => self.nodes.get(1..).unwrap_or_default(),
            _ => &[],
        };
        // A name, then its value. Every read passes here, so this is a plain loop.
        while let [TapeNode::Text { at, length }, value, ..] = *rest {
            let from = at as usize;
            let is_it = length as usize == name.len()
                && self.text.as_bytes().get(from..from + name.len()) == Some(name.as_bytes());
            if is_it {
                let one = rest.get(1..).unwrap_or_default();
                differs |= found.is_some_and(|earlier| {
                    Self::new(earlier, self.text) != Self::new(one, self.text)
                });
                found = Some(one);
            }
            rest = rest.get(1 + value.span()..).unwrap_or_default();
        }
        (found.map(|nodes| Self::new(nodes, self.text)), differs)
    }

    /// The members of an object, in their order. Empty for any other value.
    pub fn members(self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let mut children = match self.node() {
            TapeNode::Object { .. } => self.children(),
            _ => Children { nodes: &[], text: self.text },
        };
        std::iter::from_fn(move || {
            Some((children.next()?.as_str().unwrap_or_default(), children.next()?))
        })
    }

    /// The elements of an array. Empty for any other value.
    pub fn elements(self) -> impl Iterator<Item = Self> + use<'a> {
        match self.node() {
            TapeNode::Array { .. } => self.children(),
            _ => Children { nodes: &[], text: self.text },
        }
    }

    fn children(self) -> Children<'a> {
        Children { nodes: self.nodes.get(1..).unwrap_or_default(), text: self.text }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        match self.node() {
            TapeNode::Text { at, length } => {
                let from = at as usize;
                self.text.get(from..from.checked_add(length as usize)?)
            }
            _ => None,
        }
    }

    /// The boolean, if this is one.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            TapeNode::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// The number, if it is written as an integer from 0 to 2⁶⁴ − 1.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self.node() {
            TapeNode::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if it is written as an integer from −2⁶³ to 2⁶³ − 1.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.node() {
            TapeNode::Unsigned(number) => i64::try_from(number).ok(),
            TapeNode::Signed(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if this is one, rounded to the nearest float.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        match self.node() {
            TapeNode::Unsigned(number) => Some(number as f64),
            TapeNode::Signed(number) => Some(number as f64),
            TapeNode::Float(number) => Some(number),
            _ => None,
        }
    }

    /// True for `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        matches!(self.node(), TapeNode::Null)
    }

    /// True for an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.node(), TapeNode::Object { .. })
    }

    /// True for an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self.node(), TapeNode::Array { .. })
    }

    /// A copy as a serde_json tree.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self.node() {
            TapeNode::Null => Value::Null,
            TapeNode::Bool(truth) => Value::Bool(truth),
            TapeNode::Unsigned(number) => Value::from(number),
            TapeNode::Signed(number) => Value::from(number),
            TapeNode::Float(number) => Value::from(number),
            TapeNode::Text { .. } => Value::from(self.as_str().unwrap_or_default()),
            TapeNode::Array { .. } => self.elements().map(Self::to_value).collect(),
            TapeNode::Object { .. } => {
                let members =
                    self.members().map(|(name, value)| (name.to_owned(), value.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// Where this value's node is in the tape that it is a view of.
    pub(crate) fn place_in(self, tape: &JsonTape) -> usize {
        let bytes = (self.nodes.as_ptr() as usize).saturating_sub(tape.nodes.as_ptr() as usize);
        bytes / size_of::<TapeNode>()
    }

    /// A tape that holds this value and nothing else of the document.
    pub(crate) fn to_tape(self) -> JsonTape {
        let mut tape = JsonTape { text: String::new(), nodes: self.nodes.into() };
        // The texts of a value are contiguous, in the order of its nodes.
        let texts = || {
            self.nodes.iter().filter_map(|node| match *node {
                TapeNode::Text { at, length } => Some((at, at.saturating_add(length))),
                _ => None,
            })
        };
        if let (Some((from, _)), Some((_, to))) = (texts().next(), texts().next_back()) {
            tape.text = self.text.get(from as usize..to as usize).unwrap_or_default().into();
            for node in &mut tape.nodes {
                if let TapeNode::Text { at, .. } = node {
                    *at = at.saturating_sub(from);
                }
            }
        }
        tape
    }
}

impl JsonTape {
    /// A view of the whole document.
    pub(crate) fn root(&self) -> Json<'_> {
        Json::new(&self.nodes, &self.text)
    }
}

impl PartialEq for JsonTape {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

impl Serialize for JsonTape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

/// Iterates over an array's elements, or over an object's names and values in turn.
struct Children<'a> {
    nodes: &'a [TapeNode],
    text: &'a str,
}

impl<'a> Iterator for Children<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let span = self.nodes.first()?.span();
        let next = Json::new(self.nodes, self.text);
        self.nodes = self.nodes.get(span..).unwrap_or_default();
        Some(next)
    }
}

/// The order of an object's members does not count.
impl PartialEq for Json<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_value() == other.to_value()
    }
}

impl PartialEq<Value> for Json<'_> {
    fn eq(&self, other: &Value) -> bool {
        self.to_value() == *other
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(..)")
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.node() {
            TapeNode::Null => serializer.serialize_unit(),
            TapeNode::Bool(truth) => serializer.serialize_bool(truth),
            TapeNode::Unsigned(number) => serializer.serialize_u64(number),
            TapeNode::Signed(number) => serializer.serialize_i64(number),
            TapeNode::Float(number) => serializer.serialize_f64(number),
            TapeNode::Text { .. } => serializer.serialize_str(self.as_str().unwrap_or_default()),
            TapeNode::Array { .. } => {
                let mut array = serializer.serialize_seq(Some(self.elements().count()))?;
                for element in self.elements() {
                    array.serialize_element(&element)?;
                }
                array.end()
            }
            TapeNode::Object { .. } => {
                let mut object = serializer.serialize_map(Some(self.members().count()))?;
                for (name, value) in self.members() {
                    object.serialize_entry(name, &value)?;
                }
                object.end()
            }
        }
    }
}
