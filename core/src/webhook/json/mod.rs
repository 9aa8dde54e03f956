//! JSON that is read tolerantly and kept as it came.
//!
//! Each file imports only those above it: [`tape`] stores a document, [`view`] reads it, [`lenient`]
//! parses what LivePerson sends and reads members in every shape that the protocol allows.

pub(super) mod lenient;
mod tape;
#[cfg(test)]
mod tests;
mod view;

pub(super) use self::tape::JsonTape;
pub use self::view::Json;
