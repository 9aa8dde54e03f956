//! Fuzz targets that compare the core with what others have written for the same bytes.
//!
//! | target | beside |
//! |---|---|
//! | [`http1_hyper`] | hyper's HTTP/1.1 client |
//! | [`http1_ureq`] | ureq-proto, the machine under ureq |
//! | [`signature_ring`] | ring's HMAC |
//!
//! Each function takes any bytes and panics where the two disagree, unless a row of a table names the
//! difference, with its reason: [`http1::HYPER`] and [`http1::UREQ`]. `fuzz/` has a target of one line for each, and
//! `tests/corpora.rs` replays their corpora on stable Rust. They stand here for the sake of what they compare
//! with, which is no dependency of the core. JSON is compared with serde_json in the core itself.

pub mod http1;
mod signature;

pub use http1::{http1_hyper, http1_ureq};
pub use signature::signature_ring;
