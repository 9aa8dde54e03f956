//! What an echo is recognised by.

use sha2::{Digest, Sha256};

use crate::bridge::inbound::first_eight;
use crate::webhook::Event;

/// A text: without the one line break that some senders append
/// ([protocol.md 9.5](crate::protocol#9.5)).
pub(in crate::bridge) fn text(text: &str) -> u64 {
    digest("text", text.strip_suffix('\n').unwrap_or(text))
}

/// A file, by its path.
pub(in crate::bridge) fn file(relative_path: &str) -> u64 {
    digest("file", relative_path)
}

/// The content of an event, if it can be an echo.
pub(super) fn event(event: &Event<'_>) -> Option<u64> {
    match event {
        Event::Text(content) => Some(text(content.text)),
        Event::File(content) => Some(file(content.relative_path)),
        _ => None,
    }
}

fn digest(kind: &str, content: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(content);
    first_eight(&hash.finalize())
}
