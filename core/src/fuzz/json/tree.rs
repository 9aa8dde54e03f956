//! A document as a tree that keeps the order of members, and those that come twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::json::Json;

#[derive(Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Truth(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(super) fn of(value: Json<'_>) -> Self {
        if value.is_array() {
            return Self::Array(value.elements().map(Self::of).collect());
        }
        if value.is_object() {
            let members = value.members();
            return Self::Object(
                members.map(|(name, value)| (name.to_owned(), Self::of(value))).collect(),
            );
        }
        let number = value.as_u64().map(Self::Unsigned).or(value.as_i64().map(Self::Signed));
        let text = || value.as_str().map(|text| Self::Text(text.to_owned()));
        let other =
            || value.as_bool().map(Self::Truth).or_else(text).or(value.as_f64().map(Self::Float));
        number.or_else(other).unwrap_or_else(|| {
            assert!(value.is_null());
            Self::Null
        })
    }

    /// The tree without what is nested deeper than `levels`, and whether that was anything.
    pub(super) fn cut(self, levels: usize) -> (Self, bool) {
        let mut is_cut = false;
        let tree = self.cut_at(levels, &mut is_cut);
        (tree, is_cut)
    }

    fn cut_at(self, levels: usize, is_cut: &mut bool) -> Self {
        match (self, levels.checked_sub(1)) {
            (Self::Array(elements), None) => {
                *is_cut |= !elements.is_empty();
                Self::Array(Vec::new())
            }
            (Self::Object(members), None) => {
                *is_cut |= !members.is_empty();
                Self::Object(Vec::new())
            }
            (Self::Array(elements), Some(levels)) => {
                let elements = elements.into_iter();
                Self::Array(elements.map(|element| element.cut_at(levels, is_cut)).collect())
            }
            (Self::Object(members), Some(levels)) => {
                let members = members.into_iter();
                Self::Object(
                    members.map(|(name, value)| (name, value.cut_at(levels, is_cut))).collect(),
                )
            }
            (literal, _) => literal,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Tree, E> {
        Ok(Tree::Truth(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Tree::Object(object))
    }
}
