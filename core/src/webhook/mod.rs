//! Webhooks: notifications that LivePerson signs and posts to a connector (protocol.md 9).
//!
//! Two steps, so that a queue can stand between them. A [`Receiver`] checks a request and gives a
//! [`Verified`] one: the bytes as they came, known to be LivePerson's. Answer it 200 at once, whatever
//! is in it, and read it later: a refusal for anything but a missing or false signature would hold up
//! all of the app's notifications for as long as the platform retries.
//!
//! ```
//! use lp_connector_core::secret::Secret;
//! use lp_connector_core::webhook::{Algorithm, Encoding, Receiver, sign};
//!
//! let secret = Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned());
//! let receiver = Receiver::new().secret(secret.clone());
//!
//! let body = r#"{"kind":"notification","body":{"changes":[]}}"#.as_bytes();
//! let request = http::Request::post("/lp")
//!     .header("x-liveperson-signature", sign(&secret, Algorithm::Sha1, Encoding::Base64, body))
//!     .body(body)?;
//! let verified = receiver.verify(&request).expect("signed with the right secret");
//! assert_eq!(verified.body(), body);
//!
//! let forged = http::Request::post("/lp").body(body)?;
//! assert_eq!(receiver.verify(&forged).unwrap_err().status(), 401);
//! # Ok::<(), http::Error>(())
//! ```

mod receiver;
mod signature;

pub use receiver::{Receiver, Rejection, SUCCESS, Verified};
pub use signature::{Algorithm, Encoding, InvalidSignature, Matched, check, sign};
