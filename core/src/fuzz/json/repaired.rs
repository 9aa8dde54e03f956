//! JSON with faults, written again without them: what [`parse`](crate::json::parse()) promises to read, in the words
//! of the standard.

/// Strict JSON, and what it took.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    pub(super) text: String,
    /// Something is not as it was written.
    pub(super) lossy: bool,
    /// An element was no JSON value.
    pub(super) no_value: bool,
    /// The deepest nesting.
    pub(super) depth: usize,
}

/// What stands for an element that is no value.
const UNREADABLE: &str = "[null]";

/// What may come next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Value,
    /// A value, or the end of the array.
    FirstElement,
    /// A value, or the end of the array: a comma may follow the last element.
    Element,
    /// A name, or the end of the object.
    Member,
    Colon,
    /// A comma, or the end of what is open.
    Rest,
}

/// The same text without its faults. `None` if it has others than those that are promised to be tolerated.
pub(super) fn repaired(bytes: &[u8]) -> Option<Repaired> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let source = String::from_utf8_lossy(bytes);
    let mut repaired =
        Repaired { lossy: std::str::from_utf8(bytes).is_err(), ..Repaired::default() };
    let mut open = String::new();
    let mut next = Next::Value;
    let mut rest = &*source;
    loop {
        rest = rest.trim_start_matches(|space| space <= ' ');
        let innermost = open.chars().next_back();
        let Some(first) = rest.chars().next() else {
            return (open.is_empty() && next == Next::Rest).then_some(repaired);
        };
        let after = rest.get(first.len_utf8()..)?;
        match (next, first) {
            (Next::Rest, ',') => {
                next = if innermost? == '[' { Next::Element } else { Next::Member };
                // Written when another element follows.
                rest = after;
                let follows = after.trim_start_matches(|space| space <= ' ').chars().next();
                let is_last = matches!((innermost?, follows), ('[', Some(']')) | ('{', Some('}')));
                if !is_last {
                    repaired.text.push(',');
                }
            }
            (Next::Rest | Next::FirstElement | Next::Element, ']') if innermost == Some('[') => {
                (next, rest) = (Next::Rest, after);
                open.pop();
                repaired.text.push(']');
            }
            (Next::Rest | Next::Member, '}') if innermost == Some('{') => {
                (next, rest) = (Next::Rest, after);
                open.pop();
                repaired.text.push('}');
            }
            (Next::Rest, _) => return None,
            (Next::Member, '"') => (rest, next) = (repaired.string(after)?, Next::Colon),
            (Next::Member, _) => return None,
            (Next::Colon, ':') => {
                (rest, next) = (after, Next::Value);
                repaired.text.push(':');
            }
            (Next::Colon, _) => return None,
            (_, '"') => (rest, next) = (repaired.string(after)?, Next::Rest),
            (_, '[' | '{') => {
                open.push(first);
                repaired.text.push(first);
                repaired.depth = repaired.depth.max(open.len());
                (rest, next) =
                    (after, if first == '[' { Next::FirstElement } else { Next::Member });
            }
            (_, _) => {
                let ends = |byte: char| byte <= ' ' || ",[]{}".contains(byte);
                let (literal, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                (rest, next) = (after, Next::Rest);
                repaired.literal(literal, open.is_empty())?;
            }
        }
    }
}

impl Repaired {
    /// A number, a literal, or what is neither: it is no document of its own.
    fn literal(&mut self, literal: &str, is_document: bool) -> Option<()> {
        if ["null", "true", "false"].contains(&literal) {
            self.text.push_str(literal);
        } else if is_number(literal) {
            let number: f64 = literal.parse().ok()?;
            self.lossy |= number.abs() >= f64::MAX;
            match number {
                f64::INFINITY => self.text.push_str(&format!("{:e}", f64::MAX)),
                f64::NEG_INFINITY => self.text.push_str(&format!("{:e}", f64::MIN)),
                _ => self.text.push_str(literal),
            }
        } else if is_document {
            return None;
        } else {
            (self.lossy, self.no_value) = (true, true);
            self.text.push_str(UNREADABLE);
        }
        Some(())
    }

    /// A string without its first quote. Returns what follows it.
    fn string<'a>(&mut self, mut rest: &'a str) -> Option<&'a str> {
        self.text.push('"');
        loop {
            let first = rest.chars().next()?;
            let after = rest.get(first.len_utf8()..)?;
            match first {
                '"' => {
                    self.text.push('"');
                    return Some(after);
                }
                '\\' => rest = self.escape(after),
                control if control < ' ' => {
                    self.text.push_str(&format!("\\u{:04x}", u32::from(control)));
                    rest = after;
                }
                plain => {
                    self.text.push(plain);
                    rest = after;
                }
            }
        }
    }

    /// An escape without its backslash. Returns what follows it.
    fn escape<'a>(&mut self, rest: &'a str) -> &'a str {
        if let Some(letter) = rest.get(..1).filter(|letter| "\"\\/bfnrt".contains(letter)) {
            self.text.extend(["\\", letter]);
            return rest.get(1..).unwrap_or_default();
        }
        let Some(after) = rest.strip_prefix('u') else {
            self.replace();
            return rest;
        };
        let unit = |text: &str| {
            let digits = text.get(..4)?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
        };
        let Some(first) = unit(after) else {
            self.replace();
            return after;
        };
        let second = after.get(4..).and_then(|rest| rest.strip_prefix("\\u"));
        let second =
            second.and_then(|rest| unit(rest).filter(|unit| (0xdc00..0xe000).contains(unit)));
        match (first, second) {
            (0xd800..=0xdbff, Some(second)) => {
                self.text.push_str(&format!("\\u{first:04x}\\u{second:04x}"));
                return after.get(10..).unwrap_or_default();
            }
            (0xd800..=0xdfff, _) => self.replace(),
            _ => self.text.push_str(&format!("\\u{first:04x}")),
        }
        after.get(4..).unwrap_or_default()
    }

    fn replace(&mut self) {
        self.lossy = true;
        self.text.push(char::REPLACEMENT_CHARACTER);
    }
}

/// Whether the text is a number of RFC 8259, 6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => {
            (text, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        }
        None => (text, None),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
