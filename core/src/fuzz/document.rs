//! Documents that get far: a valid one of the protocol, with some changes that the input describes.

use std::borrow::Cow;

use arbitrary::{Arbitrary, Unstructured};
use serde_json::Value;

use super::words::{LITERALS, NAMES, WORDS};

/// More nodes than this are of no use, and each change of many costs time.
const MAX_NODES: usize = 2_000;

/// More changes leave nothing of the document.
const MAX_CHANGES: usize = 24;

/// The document that the input describes: one of `valid`, changed.
pub(super) fn document(input: &[u8], valid: &[&str]) -> Vec<u8> {
    let mut input = Unstructured::new(input);
    let which: u8 = input.arbitrary().unwrap_or_default();
    let text = valid.get(usize::from(which) % valid.len().max(1)).copied().unwrap_or_default();
    let mut root = serde_json::from_str(text).map_or(Node::Raw(Cow::Borrowed("null")), Node::of);
    let style: Style = input.arbitrary().unwrap_or_default();
    let changes = input.arbitrary_iter::<(u16, Change<'_>)>().into_iter().flatten();
    for (at, change) in changes.take(MAX_CHANGES).flatten() {
        let count = root.count();
        if count > MAX_NODES {
            break;
        }
        let from = root.find(&mut (usize::from(change.source()) % count)).cloned();
        if let Some(node) = root.find(&mut (usize::from(at) % count)) {
            node.change(change, from);
        }
    }
    style.write(&root)
}

/// A value of a document. A literal may be none, and a name may come twice.
#[derive(Clone)]
enum Node<'a> {
    Raw(Cow<'a, str>),
    Text(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// What is done to one value. The words are those of the protocol.
#[derive(Arbitrary, Clone, Copy)]
enum Change<'a> {
    Null,
    Truth(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Literal(u8),
    Text(&'a str),
    Word(u8),
    /// As text, if it is a literal; as a literal, if it is text.
    Quote,
    UpperCase,
    /// Removes the first, the second.. of its values.
    Remove(u8),
    /// Adds a member, or an element. `source` is the place of the value that is copied.
    Add {
        name: u8,
        source: u16,
    },
    /// Adds a member of this name.
    AddNamed {
        name: &'a str,
        source: u16,
    },
    /// Repeats one of its members or elements.
    Repeat(u8),
    /// Gives a member another name.
    Rename {
        member: u8,
        name: u8,
    },
    /// Puts a copy of another value in its place.
    Copy {
        source: u16,
    },
    Wrap,
    WrapInObject {
        name: u8,
    },
    /// The first of its values takes its place.
    Unwrap,
    Nest(u8),
    Empty,
}

impl Change<'_> {
    fn source(self) -> u16 {
        match self {
            Self::Add { source, .. } | Self::AddNamed { source, .. } | Self::Copy { source } => {
                source
            }
            _ => 0,
        }
    }
}

impl<'a> Node<'a> {
    fn of(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.into()),
            Value::Array(elements) => Self::Array(elements.into_iter().map(Self::of).collect()),
            Value::Object(members) => {
                let members = members.into_iter();
                Self::Object(members.map(|(name, value)| (name.into(), Self::of(value))).collect())
            }
            literal => Self::Raw(literal.to_string().into()),
        }
    }

    fn count(&self) -> usize {
        1 + match self {
            Self::Raw(_) | Self::Text(_) => 0,
            Self::Array(elements) => elements.iter().map(Self::count).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.count()).sum(),
        }
    }

    /// The value number `at` of all, counted from this one.
    fn find(&mut self, at: &mut usize) -> Option<&mut Self> {
        if *at == 0 {
            return Some(self);
        }
        *at -= 1;
        match self {
            Self::Raw(_) | Self::Text(_) => None,
            Self::Array(elements) => elements.iter_mut().find_map(|element| element.find(at)),
            Self::Object(members) => members.iter_mut().find_map(|(_, value)| value.find(at)),
        }
    }

    fn change(&mut self, change: Change<'a>, copy: Option<Self>) {
        let copy = copy.unwrap_or(Self::Raw("null".into()));
        match change {
            Change::Null => *self = Self::Raw("null".into()),
            Change::Truth(truth) => *self = Self::Raw(truth.to_string().into()),
            Change::Unsigned(number) => *self = Self::Raw(number.to_string().into()),
            Change::Signed(number) => *self = Self::Raw(number.to_string().into()),
            Change::Float(number) => *self = Self::Raw(format!("{number:?}").into()),
            Change::Literal(which) => *self = Self::Raw(pick(LITERALS, which).into()),
            Change::Text(text) => *self = Self::Text(text.into()),
            Change::Word(which) => *self = Self::Text(pick(WORDS, which).into()),
            Change::Quote => match self {
                Self::Raw(text) => *self = Self::Text(std::mem::take(text)),
                Self::Text(text) => *self = Self::Raw(std::mem::take(text)),
                _ => {}
            },
            Change::UpperCase => {
                if let Self::Text(text) = self {
                    text.to_mut().make_ascii_uppercase();
                }
            }
            Change::Remove(which) => match self {
                Self::Array(elements) if !elements.is_empty() => {
                    elements.remove(usize::from(which) % elements.len());
                }
                Self::Object(members) if !members.is_empty() => {
                    members.remove(usize::from(which) % members.len());
                }
                _ => {}
            },
            Change::Add { name, .. } => self.add(pick(NAMES, name), copy),
            Change::AddNamed { name, .. } => self.add(name, copy),
            Change::Repeat(which) => match self {
                Self::Array(elements) => {
                    let again = elements.get(usize::from(which) % elements.len().max(1)).cloned();
                    elements.extend(again);
                }
                Self::Object(members) => {
                    let again = members.get(usize::from(which) % members.len().max(1)).cloned();
                    members.extend(again);
                }
                _ => {}
            },
            Change::Rename { member, name } => {
                if let Self::Object(members) = self {
                    let at = usize::from(member) % members.len().max(1);
                    if let Some((old, _)) = members.get_mut(at) {
                        *old = pick(NAMES, name).into();
                    }
                }
            }
            Change::Copy { .. } => *self = copy,
            Change::Wrap => *self = Self::Array(vec![self.clone()]),
            Change::WrapInObject { name } => {
                *self = Self::Object(vec![(pick(NAMES, name).into(), self.clone())]);
            }
            Change::Unwrap => {
                let first = match self {
                    Self::Array(elements) => elements.first().cloned(),
                    Self::Object(members) => members.first().map(|(_, value)| value.clone()),
                    _ => None,
                };
                if let Some(first) = first {
                    *self = first;
                }
            }
            Change::Nest(levels) => {
                for level in 0..levels {
                    let inner = std::mem::replace(self, Self::Raw("null".into()));
                    *self = if level % 3 == 0 {
                        Self::Object(vec![("elements".into(), inner)])
                    } else {
                        Self::Array(vec![inner])
                    };
                }
            }
            Change::Empty => match self {
                Self::Array(elements) => elements.clear(),
                Self::Object(members) => members.clear(),
                _ => *self = Self::Text("".into()),
            },
        }
    }

    fn add(&mut self, name: &'a str, value: Self) {
        match self {
            Self::Array(elements) => elements.push(value),
            Self::Object(members) => members.push((name.into(), value)),
            _ => *self = value,
        }
    }
}

fn pick(words: &'static [&'static str], which: u8) -> &'static str {
    words.get(usize::from(which) % words.len().max(1)).copied().unwrap_or_default()
}

/// How a document is written.
#[derive(Arbitrary, Default)]
struct Style {
    mark: bool,
    spaces: bool,
    last_comma: bool,
    escapes: bool,
    /// Ends the document early, counted from its end.
    cut: Option<u8>,
}

impl Style {
    fn write(&self, root: &Node<'_>) -> Vec<u8> {
        let mut text = String::new();
        if self.mark {
            text.push('\u{feff}');
        }
        self.value(root, &mut text);
        let mut bytes = text.into_bytes();
        bytes.truncate(bytes.len().saturating_sub(self.cut.unwrap_or_default().into()));
        bytes
    }

    fn value(&self, node: &Node<'_>, out: &mut String) {
        match node {
            Node::Raw(text) => out.push_str(text),
            Node::Text(text) => self.text(text, out),
            Node::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    self.separate(at, out);
                    self.value(element, out);
                }
                self.end(elements.is_empty(), ']', out);
            }
            Node::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    self.separate(at, out);
                    self.text(name, out);
                    out.push(':');
                    self.value(value, out);
                }
                self.end(members.is_empty(), '}', out);
            }
        }
    }

    fn separate(&self, at: usize, out: &mut String) {
        if at > 0 {
            out.push(',');
        }
        if self.spaces {
            out.push_str(" \r\n\t");
        }
    }

    fn end(&self, is_empty: bool, bracket: char, out: &mut String) {
        if self.last_comma && !is_empty {
            out.push(',');
        }
        out.push(bracket);
    }

    fn text(&self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                _ if self.escapes => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                _ => out.push(character),
            }
        }
        out.push('"');
    }
}
