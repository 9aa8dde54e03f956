//! Parses JSON tolerantly: an element that cannot be read costs itself, never its neighbours.

use std::borrow::Cow;
use std::fmt;

use super::tape::{Builder, JsonTape, TapeNode};

/// The deepest nesting to keep. serde_json parses 128 levels, so what is stored within other JSON can
/// be read back.
pub(crate) const MAX_DEPTH: usize = 96;

/// Stands for what is no JSON value: an array of `null`. No text, number, truth or object is read from it,
/// it does not count as absent as `null` does, and it can be stored.
const UNREADABLE: [TapeNode; 2] = [TapeNode::Array { nodes: 1 }, TapeNode::Null];

/// A parsed document.
pub(crate) struct Parsed {
    pub(crate) tape: JsonTape,
    /// True if something could not be kept as it was written.
    pub(crate) lossy: bool,
    /// Where the first element is that is no JSON value.
    pub(crate) no_value: Option<NotJson>,
}

/// The document is not JSON. It holds the position and none of the text, which may be a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotJson {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        write!(f, "not JSON (line {line}, column {column})")
    }
}

impl std::error::Error for NotJson {}

/// Parses JSON more tolerantly than the standard:
///
/// * A byte order mark is skipped.
/// * Invalid Unicode (half of an emoji, bytes that are not UTF-8) and an invalid escape become U+FFFD.
/// * A number that no float holds (`1e400`) becomes the largest float.
/// * In an array or object, what is no JSON value (`NaN`, `01`, `undefined`, nothing at all) becomes
///   [`UNREADABLE`], up to the next comma, bracket or white space.
/// * What is nested deeper than [`MAX_DEPTH`] becomes an empty array or object.
/// * Control characters are allowed in strings, and between elements.
/// * A comma may follow the last element.
///
/// Duplicate members are all kept. Memory is proportional to the length of the document, and the
/// parser does not recurse.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, NotJson> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Checking takes a tenth of the time of a lossy conversion, which is rarely needed.
    let text =
        std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    let mut parser = Parser {
        source: &text,
        at: 0,
        builder: Builder::for_source(text.len()),
        depth: 0,
        open: 0,
        deep: Vec::new(),
        lossy: matches!(text, Cow::Owned(_)),
        no_value: None,
    };
    match parser.document() {
        Some(()) => {
            let no_value = parser.no_value.map(|at| parser.place(at));
            Ok(Parsed { tape: parser.builder.finish(), lossy: parser.lossy, no_value })
        }
        None => Err(parser.place(parser.at)),
    }
}

impl JsonTape {
    /// Parses a document from text.
    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Result<Self, NotJson> {
        parse(text.as_bytes()).map(|parsed| parsed.tape)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Object,
}

impl Kind {
    fn node(self, nodes: u32) -> TapeNode {
        match self {
            Self::Array => TapeNode::Array { nodes },
            Self::Object => TapeNode::Object { nodes },
        }
    }
}

/// The methods return `None` at the first byte that is not JSON, which is [`at`](Self::at).
struct Parser<'a> {
    source: &'a str,
    at: usize,
    builder: Builder,
    /// The number of open arrays and objects.
    depth: usize,
    /// The innermost open one whose elements are kept: 1 more than the place of its node. Until it is closed, its node
    /// holds the same of the one around it. 0: there is none.
    open: u32,
    /// The open ones whose elements are not kept, outermost first: those after the first [`MAX_DEPTH`].
    deep: Vec<Kind>,
    lossy: bool,
    /// The first element that is no JSON value.
    no_value: Option<usize>,
}

impl Parser<'_> {
    fn document(&mut self) -> Option<()> {
        loop {
            self.value()?;
            // After a value: what follows in the innermost open array or object.
            loop {
                let Some(kind) = self.kind() else {
                    self.skip_space();
                    return (self.at == self.source.len()).then_some(());
                };
                match (self.next_token(), kind) {
                    (Some(b','), kind) => {
                        self.at += 1;
                        match (self.next_token(), kind) {
                            // The comma after the last element.
                            (Some(b']'), Kind::Array) | (Some(b'}'), Kind::Object) => continue,
                            (_, Kind::Object) => self.name()?,
                            (_, Kind::Array) => {}
                        }
                        break;
                    }
                    (Some(b']'), Kind::Array) | (Some(b'}'), Kind::Object) => self.close(),
                    _ => return None,
                }
            }
        }
    }

    /// A value. Of an array or object that is not empty, the part before its first element's end.
    fn value(&mut self) -> Option<()> {
        loop {
            match self.next_token()? {
                b'[' => {
                    self.open(Kind::Array)?;
                    if self.next_token() == Some(b']') {
                        self.close();
                        return Some(());
                    }
                }
                b'{' => {
                    self.open(Kind::Object)?;
                    if self.next_token() == Some(b'}') {
                        self.close();
                        return Some(());
                    }
                    self.name()?;
                }
                b'"' => return self.string(),
                _ => return self.scalar(),
            }
        }
    }

    /// False inside an element that is nested too deeply.
    fn is_kept(&self) -> bool {
        self.depth <= MAX_DEPTH
    }

    /// The kind of the innermost open element.
    fn kind(&self) -> Option<Kind> {
        if let Some(kind) = self.deep.last() {
            return Some(*kind);
        }
        match self.builder.node(self.open.checked_sub(1)? as usize)? {
            TapeNode::Array { .. } => Some(Kind::Array),
            _ => Some(Kind::Object),
        }
    }

    fn open(&mut self, kind: Kind) -> Option<()> {
        if self.depth < MAX_DEPTH {
            let node = self.builder.open(kind.node(self.open))?;
            self.open = u32::try_from(node).ok()?.checked_add(1)?;
        } else {
            if self.is_kept() {
                self.builder.push(kind.node(0))?;
            } else {
                self.lossy = true;
            }
            self.deep.push(kind);
        }
        self.at += 1;
        self.depth += 1;
        Some(())
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth = self.depth.saturating_sub(1);
        if self.deep.pop().is_none()
            && let Some(node) = self.open.checked_sub(1)
        {
            self.open = self.builder.close(node as usize);
        }
    }

    /// The name of a member, and the colon.
    fn name(&mut self) -> Option<()> {
        (self.next_token()? == b'"').then_some(())?;
        self.string()?;
        (self.next_token()? == b':').then_some(())?;
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let (keep, start) = (self.is_kept(), self.builder.text_len());
        self.lossy |= !keep;
        self.at += 1;
        loop {
            let rest = self.source.as_bytes().get(self.at..)?;
            let length = memchr::memchr2(b'"', b'\\', rest)?;
            let plain = self.source.get(self.at..self.at + length)?;
            if keep {
                self.builder.add_text(plain);
            }
            self.at += length;
            if rest.get(length) == Some(&b'"') {
                self.at += 1;
                return if keep { self.builder.end_text(start) } else { Some(()) };
            }
            let (character, length) = escape(self.source.get(self.at..)?);
            if keep {
                self.lossy |= character.is_none();
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                self.builder.add_text(character.encode_utf8(&mut [0; 4]));
            }
            self.at += length;
        }
    }

    /// A number, a literal, or what is neither.
    fn scalar(&mut self) -> Option<()> {
        let rest = self.source.get(self.at..)?;
        let Some((node, length)) = literal(rest).filter(|(_, length)| ends(rest, *length)) else {
            return self.unreadable(rest);
        };
        self.at += length;
        self.push(node)
    }

    fn push(&mut self, node: TapeNode) -> Option<()> {
        if self.is_kept() {
            // The largest float stands for any that is larger.
            self.lossy |= matches!(node, TapeNode::Float(float) if float.abs() == f64::MAX);
            return self.builder.push(node);
        }
        self.lossy = true;
        Some(())
    }

    /// What is no JSON value. A document that is nothing else is not JSON.
    #[cold]
    fn unreadable(&mut self, rest: &str) -> Option<()> {
        if self.depth == 0 {
            return None;
        }
        // A bracket or quote in it has lost its other half, or is meant to open something: then the end
        // cannot be told.
        let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b'[' | b'{' | ..=b' ');
        self.no_value.get_or_insert(self.at);
        self.at += rest.bytes().take_while(|byte| !is_end(byte)).count();
        self.lossy = true;
        if !self.is_kept() {
            return Some(());
        }
        let [array, null] = UNREADABLE;
        if self.depth == MAX_DEPTH {
            return self.builder.push(TapeNode::Array { nodes: 0 });
        }
        self.builder.push(array)?;
        self.builder.push(null)
    }

    /// Skips white space and returns the next byte.
    fn next_token(&mut self) -> Option<u8> {
        self.skip_space();
        self.source.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        let rest = self.source.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| **byte <= b' ').count();
    }

    fn place(&self, at: usize) -> NotJson {
        let before = self.source.get(..at).unwrap_or(self.source);
        let line = before.rsplit('\n').next().unwrap_or_default();
        // Of a document that ends too early, the place of its last character.
        let column = line.chars().count() + usize::from(at < self.source.len());
        NotJson { line: before.matches('\n').count() + 1, column: column.max(1) }
    }
}

/// The character of the escape that `text` begins with, and the escape's length. No character: it is
/// invalid.
fn escape(text: &str) -> (Option<char>, usize) {
    let character = match text.as_bytes().get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(plain @ (b'"' | b'\\' | b'/')) => char::from(*plain),
        Some(b'u') => {
            return match (unit(text), text.get(6..).and_then(unit)) {
                (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
                    (char::decode_utf16([high, low]).next().and_then(Result::ok), 12)
                }
                (Some(unit), _) => (char::from_u32(u32::from(unit)), 6),
                (None, _) => (None, 2),
            };
        }
        // The backslash alone is invalid. What follows it is text.
        _ => return (None, 1),
    };
    (Some(character), 2)
}

/// The UTF-16 code unit of the `\uXXXX` escape that `text` begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    // `from_str_radix` would accept a sign.
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

/// The number or literal that `text` begins with, and its length.
fn literal(text: &str) -> Option<(TapeNode, usize)> {
    if let Some((length, is_integer)) = number(text.as_bytes()) {
        let digits = text.get(..length)?;
        if is_integer {
            if let Ok(number) = digits.parse() {
                return Some((TapeNode::Unsigned(number), length));
            }
            if let Some(number) = digits.parse().ok().filter(|number: &i64| *number < 0) {
                return Some((TapeNode::Signed(number), length));
            }
        }
        let float: f64 = digits.parse().ok()?;
        return Some((TapeNode::Float(float.clamp(f64::MIN, f64::MAX)), length));
    }
    let literals = [
        ("null", TapeNode::Null),
        ("true", TapeNode::Bool(true)),
        ("false", TapeNode::Bool(false)),
    ];
    let (word, node) = literals.into_iter().find(|(word, _)| text.starts_with(word))?;
    Some((node, word.len()))
}

/// True if an element can end after so many bytes.
fn ends(text: &str, length: usize) -> bool {
    matches!(text.as_bytes().get(length), None | Some(b',' | b']' | b'}' | ..=b' '))
}

/// The length of the number that `text` begins with, and whether it is written as an integer.
fn number(text: &[u8]) -> Option<(usize, bool)> {
    let digits_from = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut end = usize::from(text.first() == Some(&b'-'));
    let whole = digits_from(end);
    if whole == 0 || whole > 1 && text.get(end) == Some(&b'0') {
        return None;
    }
    end += whole;
    let mut is_integer = true;
    if text.get(end) == Some(&b'.') {
        let digits = digits_from(end + 1);
        (digits > 0).then_some(())?;
        (end, is_integer) = (end + 1 + digits, false);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let from = end + 1 + usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        // Without a digit there it is read as no float.
        (end, is_integer) = (from + digits_from(from), false);
    }
    Some((end, is_integer))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
