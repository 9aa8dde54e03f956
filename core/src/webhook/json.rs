//! A look at a JSON value, without a tree of it.

use std::fmt;

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::document::Node;

/// A JSON value as it came: for what this crate has no method for.
///
/// It serialises as that JSON, and [`to_value`](Self::to_value) makes a [`Value`] of it. `Debug` shows
/// nothing of it.
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
    /// It, and what it holds.
    nodes: &'a [Node],
    text: &'a str,
}

impl<'a> Json<'a> {
    /// What is not there.
    pub(super) const NULL: Json<'static> = Json { nodes: &[Node::Null], text: "" };

    /// The first of the nodes, with all that it holds.
    pub(super) fn new(nodes: &'a [Node], text: &'a str) -> Self {
        let span = nodes.first().map_or(0, |node| node.span());
        Self { nodes: nodes.get(..span).unwrap_or(nodes), text }
    }

    pub(super) fn nodes(self) -> &'a [Node] {
        self.nodes
    }

    /// Where its texts stand.
    pub(super) fn text(self) -> &'a str {
        self.text
    }

    fn node(self) -> Node {
        self.nodes.first().copied().unwrap_or(Node::Null)
    }

    /// The member of this name, if it is an object that has one; of several the last.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        let Node::Object { .. } = self.node() else { return None };
        let (mut rest, mut found) = (self.nodes.get(1..)?, None);
        // A name and its value by turns. This is how all of it is read, so it is no chain of closures.
        while let [Node::Text { at, length }, value, ..] = *rest {
            let from = at as usize;
            let is_it = length as usize == name.len()
                && self.text.as_bytes().get(from..from + name.len()) == Some(name.as_bytes());
            if is_it {
                found = rest.get(1..);
            }
            rest = rest.get(1 + value.span()..).unwrap_or_default();
        }
        found.map(|nodes| Self::new(nodes, self.text))
    }

    /// The members of an object, as they came; of anything else, none.
    pub fn members(self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let mut inside = match self.node() {
            Node::Object { .. } => self.inside(),
            _ => Inside { nodes: &[], text: self.text },
        };
        std::iter::from_fn(move || {
            Some((inside.next()?.as_str().unwrap_or_default(), inside.next()?))
        })
    }

    /// The elements of an array; of anything else, none.
    pub fn elements(self) -> impl Iterator<Item = Self> + use<'a> {
        match self.node() {
            Node::Array { .. } => self.inside(),
            _ => Inside { nodes: &[], text: self.text },
        }
    }

    fn inside(self) -> Inside<'a> {
        Inside { nodes: self.nodes.get(1..).unwrap_or_default(), text: self.text }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        match self.node() {
            Node::Text { at, length } => {
                let from = at as usize;
                self.text.get(from..from.checked_add(length as usize)?)
            }
            _ => None,
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// The number, if it is a whole one from 0 to 2⁶⁴ − 1 and written as such.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self.node() {
            Node::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if it is a whole one from −2⁶³ to 2⁶³ − 1 and written as such.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.node() {
            Node::Unsigned(number) => i64::try_from(number).ok(),
            Node::Signed(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if it is one, as near as a float comes to it.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        match self.node() {
            Node::Unsigned(number) => Some(number as f64),
            Node::Signed(number) => Some(number as f64),
            Node::Float(number) => Some(number),
            _ => None,
        }
    }

    /// True if it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        matches!(self.node(), Node::Null)
    }

    /// True if it is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.node(), Node::Object { .. })
    }

    /// True if it is an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self.node(), Node::Array { .. })
    }

    /// A copy as serde_json has it.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self.node() {
            Node::Null => Value::Null,
            Node::Bool(truth) => Value::Bool(truth),
            Node::Unsigned(number) => Value::from(number),
            Node::Signed(number) => Value::from(number),
            Node::Float(number) => Value::from(number),
            Node::Text { .. } => Value::from(self.as_str().unwrap_or_default()),
            Node::Array { .. } => self.elements().map(Self::to_value).collect(),
            Node::Object { .. } => {
                let members =
                    self.members().map(|(name, value)| (name.to_owned(), value.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

/// What an array or object holds: the values of one, names and values by turns of the other.
struct Inside<'a> {
    nodes: &'a [Node],
    text: &'a str,
}

impl<'a> Iterator for Inside<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let span = self.nodes.first()?.span();
        let next = Json::new(self.nodes, self.text);
        self.nodes = self.nodes.get(span..).unwrap_or_default();
        Some(next)
    }
}

/// Objects are equal whatever the order of their members.
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
            Node::Null => serializer.serialize_unit(),
            Node::Bool(truth) => serializer.serialize_bool(truth),
            Node::Unsigned(number) => serializer.serialize_u64(number),
            Node::Signed(number) => serializer.serialize_i64(number),
            Node::Float(number) => serializer.serialize_f64(number),
            Node::Text { .. } => serializer.serialize_str(self.as_str().unwrap_or_default()),
            Node::Array { .. } => {
                let mut array = serializer.serialize_seq(Some(self.elements().count()))?;
                for element in self.elements() {
                    array.serialize_element(&element)?;
                }
                array.end()
            }
            Node::Object { .. } => {
                let mut object = serializer.serialize_map(Some(self.members().count()))?;
                for (name, value) in self.members() {
                    object.serialize_entry(name, &value)?;
                }
                object.end()
            }
        }
    }
}
