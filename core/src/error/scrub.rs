//! Sanitises the text of a service for logs.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

/// The maximum length of a service's text.
const MAX_CHARS: usize = 200;

/// Shortens the text and removes control characters, every one of `secrets`, and anything that looks like a
/// JWT: a service that echoes a credential in its message must not put it into logs.
pub(crate) fn scrub(text: &str, secrets: &[Zeroizing<String>]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), REDACTED);
    }
    let mut line = String::new();
    let mut word = String::new();
    for c in text.chars() {
        if is_token_char(c) {
            word.push(c);
        } else {
            end_word(&mut word, &mut line);
            line.push(if c.is_control() { ' ' } else { c });
        }
    }
    end_word(&mut word, &mut line);
    if let Some((cut, _)) = line.char_indices().nth(MAX_CHARS) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

/// A secret as it is, and as it stands in a form or a URL, longest first.
pub(crate) fn spellings(secret: &str) -> Vec<Zeroizing<String>> {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let url = percent_encode(secret.as_bytes(), NON_ALPHANUMERIC).to_string();
    let lower = [lower_escapes(&form), lower_escapes(&url)];
    let all = lower.into_iter().chain([form, url, secret.to_owned()]).map(Zeroizing::new);
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    all
}

/// `%2B` as `%2b`: both are in use.
fn lower_escapes(text: &str) -> String {
    let mut escape = 0;
    let lower = |c: char| {
        escape = if c == '%' { 2 } else { i32::max(escape - 1, -1) };
        if escape >= 0 { c.to_ascii_lowercase() } else { c }
    };
    text.chars().map(lower).collect()
}

const REDACTED: &str = "[redacted]";

fn end_word(word: &mut String, line: &mut String) {
    // The compact form of a JWS begins with `{"` in Base64, which is `eyJ`.
    line.push_str(if word.len() > 16 && word.contains("eyJ") { REDACTED } else { word });
    word.clear();
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::{scrub, spellings};

    #[test]
    fn a_token_or_secret_that_the_service_echoes_is_taken_out() {
        let said = "bad eyJraWQiOiJhIn0.eyJhIjoxfQ.c2ln, secret k7&+% here";
        assert_eq!(scrub(said, &spellings("k7&+%")), "bad [redacted], secret [redacted] here");
        assert_eq!(scrub("nothing", &spellings("")), "nothing");
    }

    #[test]
    fn a_secret_is_taken_out_however_it_is_written() {
        for said in [
            "client_secret=a+b%26C%3D-d&x=1",
            "client_secret=a+b%26C%3d-d&x=1",
            "client_secret=a%20b%26C%3D%2Dd&x=1",
            "client_secret=a%20b%26C%3d%2dd&x=1",
            "client_secret=a b&C=-d&x=1",
        ] {
            assert_eq!(scrub(said, &spellings("a b&C=-d")), "client_secret=[redacted]&x=1");
        }
    }

    #[test]
    fn ordinary_words_stay_as_they_are() {
        let said = "Bad Request, Conversation is close";
        assert_eq!(scrub(said, &[]), said);
    }

    /// A token is longer than 16 characters.
    #[test]
    fn only_a_long_word_that_looks_like_a_token_is_taken_out() {
        for word in ["eyJraWQiOiJhIn0.", "InvalidConversationIdentifier"] {
            assert_eq!(scrub(word, &[]), word);
        }
        assert_eq!(scrub("eyJraWQiOiJhIn0.e", &[]), "[redacted]");
    }

    #[test]
    fn one_short_line_is_left_of_anything() {
        let line = scrub(&"a\nü".repeat(500), &[]);
        assert!(line.chars().count() <= 201 && !line.contains('\n'), "{line}");
    }
}
