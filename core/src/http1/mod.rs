//! The client's side of HTTP/1.1 (RFC 9112): requests to bytes, bytes to responses, and no IO.
//!
//! For adapters that have a byte stream and no HTTP client. [`encode`] writes a request; a
//! [`Decoder`] is fed whatever arrives, in pieces of any size, until it has the response. It says then
//! whether the connection may carry another request: any doubt about where the response ended means
//! that it may not.
//!
//! ```
//! use lp_connector_core::http1::{Decoder, Limits, Progress, Target, encode};
//!
//! let request = http::Request::post("https://va.example.net/a?b=1").body(b"{}".to_vec())?;
//! let mut bytes = Vec::new();
//! encode(&request, Target::Origin, &mut bytes)?;
//! assert_eq!(bytes, b"POST /a?b=1 HTTP/1.1\r\nhost: va.example.net\r\ncontent-length: 2\r\n\r\n{}");
//!
//! let mut decoder = Decoder::new(request.method(), Limits::new());
//! assert!(matches!(decoder.feed(b"HTTP/1.1 200 OK\r\nContent-Le")?, Progress::More));
//! let Progress::Done(decoded) = decoder.feed(b"ngth: 3\r\n\r\nCoo")? else { panic!("not whole") };
//! assert_eq!(decoded.response.body(), b"Coo");
//! assert!(decoded.reusable);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chunked;
mod decode;
mod encode;
mod error;
mod head;
mod limits;
mod pool;

pub use decode::{Decoded, Decoder, Progress};
pub use encode::{EncodeError, Target, encode};
pub use error::{DecodeError, Limit};
pub use limits::Limits;
pub use pool::{Acquired, Pool};
