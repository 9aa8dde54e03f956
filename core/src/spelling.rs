//! What a name that is not known was probably meant to be.
//!
//! ```
//! use lp_connector_core::spelling::nearest;
//!
//! let known = ["deliver", "receipts", "token_files"];
//! assert_eq!(nearest("token-file", known), Some("token_files"));
//! assert_eq!(nearest("colour", known), None); // nothing is near
//! ```

/// The longest name to compare, in characters.
pub(crate) const MAX_NAME: usize = 128;

/// The name that is nearest to `name`, if one is near: at most one edit in three characters, and three in all.
/// Case and separators do not count. Of several that are as near, it is the first.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().count() > MAX_NAME {
        return None;
    }
    let near = known.into_iter().filter_map(|known| Some((near(name, known)?, known)));
    near.min_by_key(|(edits, _)| *edits).map(|(_, known)| known)
}

/// The number of edits between two names, if it is small for their length.
pub(crate) fn near(name: &str, known: &str) -> Option<usize> {
    let (name, known) = (normal(name), normal(known));
    let edits = edits(&name, &known);
    let allowed = (name.len().max(known.len()) / 3).clamp(1, 3);
    (edits <= allowed).then_some(edits)
}

/// A name without case and separators.
pub(crate) fn normal(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The number of insertions, deletions, substitutions and swaps of neighbours that make one name the
/// other (optimal string alignment).
fn edits(one: &[char], other: &[char]) -> usize {
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (cell(&last, j) + usize::from(a != b))
                .min(cell(&last, j + 1) + 1)
                .min(cell(&row, j) + 1);
            let swapped =
                j.checked_sub(1).filter(|&k| previous == Some(b) && other.get(k) == Some(a));
            if let Some(k) = swapped {
                least = least.min(cell(&before, k) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
        previous = Some(a);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_meant() {
        let known = ["url", "types", "timeout", "give_up_after", "secret_files"];
        for (name, meant) in [
            ("url", Some("url")),
            ("uri", Some("url")),
            ("Time-Out", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("giveupafter", Some("give_up_after")),
            ("secret_file", Some("secret_files")),
            ("ur", Some("url")),
            ("u", None),
            ("", None),
            ("colour", None),
            ("give", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        let endless = "url".repeat(1_000);
        assert_eq!(nearest(&endless, [endless.as_str()]), None);
    }

    #[test]
    fn a_name_of_128_characters_is_compared() {
        for (length, is_compared) in [(128, true), (129, false)] {
            let name = "é".repeat(length);
            assert_eq!(nearest(&name, [name.as_str()]).is_some(), is_compared, "{length}");
        }
    }

    #[test]
    fn edits_are_counted() {
        let count = |one: &str, other: &str| edits(&normal(one), &normal(other));
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abd", 1),
            ("acb", "abc", 1),
            ("ab", "cd", 2),
            // One letter of a swap alone is none.
            ("ba", "cb", 2),
        ] {
            assert_eq!(
                (count(one, other), count(other, one)),
                (expected, expected),
                "{one} {other}"
            );
        }
    }
}
