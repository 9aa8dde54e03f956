//! A client-side HTTP/1.1 codec (RFC 9112) without IO.
//!
//! It is for adapters that have a byte stream and no HTTP client. [`encode`] writes a request. A
//! [`Decoder`] takes the bytes that arrive, in pieces of any size, until the response is complete. It
//! then says whether the connection may carry another request: not if there is any doubt about where
//! the response ended.
//!
//! ```
//! use lp_connector_core::http1::{Decoder, Limits, Progress, RequestTarget, encode};
//!
//! let request = http::Request::post("https://va.example.net/a?b=1").body(b"{}".to_vec())?;
//! let mut bytes = Vec::new();
//! encode(&request, RequestTarget::Origin, &mut bytes)?;
//! assert_eq!(bytes, b"POST /a?b=1 HTTP/1.1\r\nhost: va.example.net\r\ncontent-length: 2\r\n\r\n{}");
//!
//! let mut decoder = Decoder::new(request.method(), Limits::new());
//! assert!(matches!(decoder.feed(b"HTTP/1.1 200 OK\r\nContent-Le")?, Progress::More));
//! let Progress::Done(decoded) = decoder.feed(b"ngth: 3\r\n\r\nCoo")? else { panic!("incomplete") };
//! assert_eq!(decoded.response.body()[..], b"Coo"[..]);
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
pub use encode::{EncodeError, RequestTarget, encode};
pub use error::{DecodeError, Limit};
pub use limits::Limits;
pub use pool::{Acquired, Pool};
