//! The errors that a gateway gets: RFC 9457.
//!
//! Match on the type after `#`, which never changes; texts may.
//!
//! ```
//! use lp_connector_gateway::problem::{Problem, ProblemKind};
//!
//! let problem = Problem::new(ProblemKind::Invalid, "exactly one of text, media and answer is wanted")
//!     .at("/media", "beside an answer");
//! let body = problem.to_json("01JB");
//! assert!(body.contains("GATEWAY.md#invalid") && body.contains(r#""pointer":"/media""#));
//! ```

use std::fmt;

use serde::Serialize;

/// The page that explains the types.
const PAGE: &str =
    "https://github.com/lp-connector/lp-connector/blob/main/adapters/gateway/GATEWAY.md";

/// The kind of a problem.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The body is not JSON, or not clearly so: a member twice, half an emoji, a NUL.
    Malformed,
    /// The token is missing or unknown.
    Unauthorized,
    /// The token is not for this.
    Forbidden,
    /// The `Host` is not one of the bridge's.
    Host,
    /// The URL of a file has expired.
    UrlExpired,
    /// There is no such thing.
    NotFound,
    /// Another method is wanted.
    Method,
    /// The body did not arrive whole, or not in time. Nothing is said of its content: it may be repeated.
    Incomplete,
    /// The letter is not dead, or not any more.
    NotDead,
    /// The body is too large.
    TooLarge,
    /// JSON is wanted.
    ContentType,
    /// The request does not fit.
    Invalid,
    /// The text is longer than LivePerson takes.
    TextTooLong,
    /// Another message had the same id.
    IdReused,
    /// Too many requests at a time.
    TooMany,
    /// A fault of the bridge.
    Internal,
    /// LivePerson did not give the file.
    LivePersonFailed,
    /// The gateway did not answer the ping.
    GatewayFailed,
    /// The store does not answer.
    StoreUnavailable,
    /// The bridge is not ready yet.
    Starting,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Host,
        Self::UrlExpired,
        Self::NotFound,
        Self::Method,
        Self::Incomplete,
        Self::NotDead,
        Self::TooLarge,
        Self::ContentType,
        Self::Invalid,
        Self::TextTooLong,
        Self::IdReused,
        Self::TooMany,
        Self::Internal,
        Self::LivePersonFailed,
        Self::GatewayFailed,
        Self::StoreUnavailable,
        Self::Starting,
    ];

    /// The status, the type after `#`, and the title.
    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "the body is not valid JSON"),
            Self::Unauthorized => (401, "unauthorized", "a valid token is needed"),
            Self::Forbidden => (403, "forbidden", "this token is not for this"),
            Self::Host => (403, "host", "this is not a host of the bridge"),
            Self::UrlExpired => (403, "url-expired", "the URL has expired"),
            Self::NotFound => (404, "not-found", "there is no such thing"),
            Self::Method => (405, "method", "another method is wanted"),
            Self::Incomplete => (408, "incomplete", "the body did not arrive"),
            Self::NotDead => (409, "not-dead", "this is no dead letter any more"),
            Self::TooLarge => (413, "too-large", "the body is too large"),
            Self::ContentType => (415, "content-type", "application/json is wanted"),
            Self::Invalid => (422, "invalid", "the request does not fit"),
            Self::TextTooLong => (422, "text-too-long", "the text is longer than LivePerson takes"),
            Self::IdReused => (422, "id-reused", "another message had the same id"),
            Self::TooMany => (429, "too-many", "too many requests at a time"),
            Self::Internal => (500, "internal", "the bridge failed"),
            Self::LivePersonFailed => {
                (502, "liveperson-failed", "LivePerson did not give the file")
            }
            Self::GatewayFailed => (502, "gateway-failed", "the gateway did not answer the ping"),
            Self::StoreUnavailable => (503, "store-unavailable", "the store does not answer"),
            Self::Starting => (503, "starting", "the bridge is not ready yet"),
        }
    }
}

/// What is wrong with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<Fault>,
    limit: Option<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Fault {
    pointer: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    request: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

impl Problem {
    /// A problem, with a text for people that holds nothing of a message.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), limit: None }
    }

    /// Adds a place in the body, as a JSON pointer.
    #[must_use]
    pub fn at(mut self, pointer: &'static str, detail: impl Into<String>) -> Self {
        self.errors.push(Fault { pointer, detail: detail.into() });
        self
    }

    /// Adds the limit that was passed.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.kind.parts().0
    }

    /// The type after `#`, such as `invalid`.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        self.kind.parts().1
    }

    /// The body, `application/problem+json`. `request` is the id of the request, as in the log.
    #[must_use]
    pub fn to_json(&self, request: &str) -> String {
        let (status, slug, title) = self.kind.parts();
        let body = Body {
            kind: format!("{PAGE}#{slug}"),
            title,
            status,
            detail: &self.detail,
            request,
            errors: &self.errors,
            limit: self.limit,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.parts().2, self.detail)?;
        self.errors.iter().try_for_each(|fault| write!(f, " ({}: {})", fault.pointer, fault.detail))
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_type_of_its_own() {
        let mut types: Vec<_> = ProblemKind::ALL.iter().map(|kind| kind.parts().1).collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), 20);
    }

    #[test]
    fn each_type_is_explained_on_the_page() {
        let page = include_str!("../GATEWAY.md");
        for kind in ProblemKind::ALL {
            let (status, slug, _) = kind.parts();
            let row = format!("<a id=\"{slug}\"></a>`{slug}` {status} |");
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn the_body_is_that_of_rfc_9457() {
        let problem = Problem::new(ProblemKind::TextTooLong, "6000 characters").limit(5000);
        let body: serde_json::Value = serde_json::from_str(&problem.to_json("r1")).unwrap();
        assert_eq!(body["status"], 422);
        assert!(body["type"].as_str().unwrap().ends_with("GATEWAY.md#text-too-long"));
        assert_eq!((&body["limit"], &body["request"]), (&5000.into(), &"r1".into()));
    }

    #[test]
    fn a_problem_is_written_with_its_places() {
        let problem = Problem::new(ProblemKind::Invalid, "two are wrong")
            .at("/id", "it is missing")
            .at("/text", "it is empty");
        assert_eq!(
            problem.to_string(),
            "the request does not fit: two are wrong (/id: it is missing) (/text: it is empty)"
        );
    }
}
