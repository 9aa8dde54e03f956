//! Makes a service's own words fit to print.

/// Longest text kept of what a service said.
const MAX_CHARS: usize = 200;

/// Shortens, takes out control characters, every one of `secrets`, and anything that looks like a
/// JWT: a service that echoes a credential in its complaint must not put it into our logs.
pub(crate) fn scrub(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, REDACTED);
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
    use super::scrub;

    #[test]
    fn a_token_or_secret_that_the_service_echoes_is_taken_out() {
        let said = "bad eyJraWQiOiJhIn0.eyJhIjoxfQ.c2ln, secret k7&+% here";
        assert_eq!(scrub(said, &["k7&+%", ""]), "bad [redacted], secret [redacted] here");
    }

    #[test]
    fn ordinary_words_stay_as_they_are() {
        let said = "Bad Request, Conversation is close";
        assert_eq!(scrub(said, &[]), said);
    }

    #[test]
    fn one_short_line_is_left_of_anything() {
        let line = scrub(&"a\nü".repeat(500), &[]);
        assert!(line.chars().count() <= 201 && !line.contains('\n'), "{line}");
    }
}
