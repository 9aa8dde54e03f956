//! JSON from LivePerson, read tolerantly and kept as it came: notifications, responses and manifests.
//!
//! Each file imports only those above it: [`tape`] stores a document, [`view`] reads it, [mod@parse]
//! parses it, [`field`] reads the members that decisions depend on. [mod@write] writes a text.

pub(crate) mod field;
pub(crate) mod parse;
mod tape;
#[cfg(test)]
mod tests;
mod view;
pub(crate) mod write;

pub(crate) use self::parse::{Parsed, parse};
pub(crate) use self::tape::JsonTape;
pub use self::view::Json;
