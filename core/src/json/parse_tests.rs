use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn only_lone_surrogates_are_replaced() {
    for (written, read, lossy) in [
        (r#""a\ud83db""#, "a\u{fffd}b", true),
        (r#""a\uD83D""#, "a\u{fffd}", true),
        (r#""\ude42x""#, "\u{fffd}x", true),
        (r#""\ud83d\ud83d\ude42""#, "\u{fffd}🙂", true),
        (r#""\ud83d\ude42""#, "🙂", false),
        // The first and the last pair, next to a lone surrogate.
        (r#""\ud800\udc00\udbff\udfff\ud800""#, "\u{10000}\u{10ffff}\u{fffd}", true),
        (r#""\\ud83d""#, "\\ud83d", false),
        (r#""\\ud83d\ud83d""#, "\\ud83d\u{fffd}", true),
        (r#""\\\ud83d""#, "\\\u{fffd}", true),
        (r#""\ud83d\n""#, "\u{fffd}\n", true),
        ("\"\\ud83dé\"", "\u{fffd}é", true),
        ("\u{feff}\"bom\"", "bom", false),
        (r#""\u2028""#, "\u{2028}", false),
    ] {
        let found = parse(written.as_bytes()).unwrap();
        assert_eq!(found.tape.root().as_str(), Some(read), "{written}");
        assert_eq!(found.lossy, lossy, "{written}");
    }
    let found = parse(b"\"\xff\xed\xa0\xbd\"").unwrap();
    assert!(found.lossy && found.tape.root().as_str().unwrap().starts_with('\u{fffd}'));
}

#[test]
fn each_short_escape_is_its_character() {
    let found = parse(br#""\"\\\/\b\f\n\r\t""#).unwrap();
    assert_eq!(found.tape.root().as_str(), Some("\"\\/\u{8}\u{c}\n\r\t"));
    assert!(!found.lossy);
}

/// The places of the scalars in a document, and what is written there.
fn scalars(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let is_text = rest.starts_with('"');
        let length = match rest.chars().next() {
            Some('"') => 2 + rest[1..].find('"').unwrap(),
            Some('[' | ']' | '{' | '}' | ',' | ':') => 0,
            _ => rest.find([',', ']', '}']).unwrap_or(rest.len()),
        };
        let is_name = is_text && text[at + length..].starts_with(':');
        if length > 0 && !is_name {
            found.push(at..at + length);
        }
        at += length.max(1);
    }
    found
}

proptest! {
    /// Whatever is written in the place of a scalar, everything else stays as it was.
    #[test]
    fn junk_in_place_of_a_scalar_costs_itself(
        value in crate::json::tests::plain_value(), which: prop::sample::Index,
        junk in "[^,\\[\\]{}\" \u{0}-\u{1f}]{1,8}",
    ) {
        // A number too large for a float is read as the largest one.
        prop_assume!(!junk.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || !junk.contains(['e', 'E']));
        let text = json!({"held": value, "after": 7}).to_string();
        let places = scalars(&text);
        let place = which.get(&places).clone();
        let with = |written: &str| format!("{}{written}{}", &text[..place.start], &text[place.end..]);
        let parsed = parse(with(&junk).as_bytes()).unwrap();
        let literal: Result<Value, _> = serde_json::from_str(&junk);
        let expected = literal.map_or_else(|_| "[null]".to_owned(), |_| junk.clone());
        let expected: Value = serde_json::from_str(&with(&expected)).unwrap();
        prop_assert_eq!(parsed.tape.root().to_value(), expected);
    }

    #[test]
    fn valid_json_is_read_unchanged(text in ".{0,40}") {
        let found = parse(json!({"m": text}).to_string().as_bytes()).unwrap();
        prop_assert_eq!(text_of(&found), Some(text.as_str()));
        prop_assert!(!found.lossy);
    }

    #[test]
    fn any_utf_16_code_units_are_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
        let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let found = parse(format!("{{\"m\":\"{escaped}\"}}").as_bytes()).unwrap();
        let expected = String::from_utf16_lossy(&units);
        prop_assert_eq!(text_of(&found), Some(expected.as_str()));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_bad_element_costs_itself(bad in 0..BAD.len(), before in 0u64..9, after in 0u64..9) {
        let (bad, lossy) = BAD[bad];
        for text in [
            format!(r#"{{"a":{before},"bad":{bad},"b":{{"c":[{after}]}}}}"#),
            format!(r#"{{"a":{before},"b":{{"c":[{after}]}},"bad":{bad}}}"#),
            format!(r#"{{"a":{before} , "bad" : {bad} , "b":{{"c":[{after},] , }},}}"#),
            format!(r#"{{"a":{before},"x":[[{bad},{bad},0],{{"bad":{bad}}}],"b":{{"c":[{after}]}}}}"#),
        ] {
            let parsed = parse(text.as_bytes()).unwrap();
            let root = parsed.tape.root();
            prop_assert_eq!(root.get("a").and_then(|one| one.as_u64()), Some(before));
            prop_assert_eq!(root.get("b").unwrap().to_value(), json!({"c": [after]}));
            prop_assert_eq!(parsed.lossy, lossy, "{}", bad);
        }
    }

    /// What was read can be stored within other JSON and read back, whatever it was.
    #[test]
    fn what_was_read_can_be_stored(document in "[\\[\\]{}\",:0-9a-eu\\\\. \u{0}-]{0,40}") {
        if let Ok(parsed) = parse(document.as_bytes()) {
            let stored = json!([[[[[[[[parsed.tape.root().to_value()]]]]]]]]).to_string();
            let read = parse(stored.as_bytes()).unwrap();
            prop_assert!(serde_json::from_str::<Value>(&stored).is_ok());
            prop_assert!(!read.lossy);
        }
    }
}

fn text_of(found: &Parsed) -> Option<&str> {
    super::super::field::text(found.tape.root(), "m")
}

/// Elements that a strict parser rejects, and whether they lose something.
const BAD: &[(&str, bool)] = &[
    ("1e400", true),
    ("-1e999999999999999999999", true),
    ("NaN", true),
    ("-Infinity", true),
    ("01", true),
    ("+1", true),
    ("1.", true),
    (".5", true),
    ("0x1F", true),
    ("1e", true),
    ("1e+", true),
    ("-1.5E-", true),
    ("-", true),
    ("undefined", true),
    ("None", true),
    ("True", true),
    ("nullx", true),
    ("truefalse", true),
    ("1:2", true),
    ("'ALL'", true),
    ("ALL", true),
    ("é", true),
    ("", true),
    (r#""half \ud83d""#, true),
    (r#""\x""#, true),
    (r#""\u12""#, true),
    (
        r#""line
break""#,
        false,
    ),
    ("\"NUL \u{0}\"", false),
    (r#"{"a":1,"a":2}"#, false),
    (r#""\u0000""#, false),
];

#[test]
fn deep_nesting_is_cut_and_its_neighbours_stay() {
    for depth in [1, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 128, 1000, 200_000] {
        for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
            let inner = if open == "[" { "" } else { "1" };
            let nest = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            let text = format!(r#"{{"before":1,"deep":{nest},"after":2}}"#);
            let parsed = parse(text.as_bytes()).unwrap();
            let root = parsed.tape.root();
            let number = |name: &str| root.get(name).and_then(|one| one.as_u64());
            assert_eq!((number("before"), number("after")), (Some(1), Some(2)), "{depth}");
            assert_eq!(root.members().count(), 3, "{depth}");
            // The outermost object is a level too. Of the innermost arrays nothing is lost: they are empty.
            let levels = depth + usize::from(open != "[");
            assert_eq!(parsed.lossy, levels > MAX_DEPTH, "{depth} {open}");
            let stored = serde_json::to_string(&parsed.tape).unwrap();
            assert!(serde_json::from_str::<Value>(&stored).is_ok(), "{depth}");
        }
    }
    for broken in ["[".repeat(200_000), format!("{}}}", "[".repeat(200_000))] {
        assert!(parse(broken.as_bytes()).is_err());
    }
}

#[test]
fn a_number_that_no_float_holds_stays_a_number() {
    for (text, expected) in [("1e400", f64::MAX), ("-1e400", f64::MIN)] {
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!((parsed.tape.root().as_f64(), parsed.lossy), (Some(expected), true), "{text}");
    }
    for text in ["-0", "0.1", "1e-400", "-12.5E+3"] {
        let parsed = parse(text.as_bytes()).unwrap();
        let theirs: Value = serde_json::from_str(text).unwrap();
        assert_eq!((parsed.tape.root().to_value(), parsed.lossy), (theirs, false), "{text}");
    }
}

#[test]
fn what_is_no_value_is_unreadable_and_not_absent() {
    use crate::json::field::{Field, any, integer, object, scalar_field, text_field};
    for bad in ["NaN", "Infinity", "-Infinity", "01", "+1", "undefined", "ALL", "\'x\'", "", "tru"]
    {
        let parsed = parse(format!(r#"{{"m":{bad}}}"#).as_bytes()).unwrap();
        // What is stored is read in the same way.
        let stored = serde_json::to_string(&parsed.tape).unwrap();
        let stored: JsonTape = serde_json::from_str(&stored).unwrap();
        for root in [parsed.tape.root(), stored.root()] {
            assert_eq!(text_field(root, "m"), Field::Unreadable, "{bad}");
            assert_eq!(scalar_field(root, "m"), Field::Unreadable, "{bad}");
            assert_eq!(object(root, "m"), Field::Unreadable, "{bad}");
            assert_eq!(integer(root, "m"), None, "{bad}");
            let Field::Known(member) = any(root, "m") else { panic!("{bad}") };
            assert_eq!((member.as_f64(), member.as_bool()), (None, None), "{bad}");
        }
    }
}

#[test]
fn what_is_not_json_is_an_error_with_its_position() {
    for (text, line, column) in [
        ("", 1, 1),
        ("s3cr3t", 1, 1),
        ("{", 1, 1),
        ("[1,", 1, 3),
        ("[1 2]", 1, 4),
        ("{\"a\"}", 1, 5),
        ("{1:2}", 1, 2),
        ("{\"a\":1,\n \"é\":x y}", 2, 8),
        ("[x[1]]", 1, 3),
        ("[1,", 1, 3),
        ("NaN", 1, 1),
        ("undefined", 1, 1),
        ("01", 1, 1),
        ("{\"a\":1,,}", 1, 8),
        ("\"open", 1, 2),
        ("{} {}", 1, 4),
        ("[}", 1, 2),
        ("{]", 1, 2),
        ("nul", 1, 1),
    ] {
        assert_eq!(parse(text.as_bytes()).err(), Some(NotJson { line, column }), "{text}");
    }
}
