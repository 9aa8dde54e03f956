//! Faults that a test adds to the sandbox.

mod active;
mod preset;

pub use active::ActiveFault;
pub(crate) use active::{Faults, Matched};
pub use preset::{FAULT_PRESETS, FaultPreset};

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Endpoint;
use crate::random::Random;

/// A fault that some requests to an endpoint meet.
///
/// Its text is `ENDPOINT[:N[-M]]=WHAT`. It applies to requests `N` to `M` of the endpoint, counted from 1
/// since the fault was added; without numbers, or with `*`, to all of them. `ENDPOINT:pSHARE=WHAT` applies to
/// that share of them, at random: `send:p0.05=503`.
///
/// | WHAT | effect |
/// |---|---|
/// | `503`, `429,retry-after:2` | this status with these headers, and no effect |
/// | `delay:2s` | the response comes later |
/// | `drop` | the connection closes without response and effect |
/// | `drop-after` | the connection closes without response, after the effect |
/// | `truncated`, `slow`, `chunked` | the response ends early, comes byte by byte, or in chunks |
/// | `html` | status 200 with an HTML page, no effect |
/// | `garbage` | bytes that are not HTTP, no effect |
/// | `revoke-app`, `revoke-consumer` | the request's token is revoked first |
/// | `loading` | only `monitoring`: the account is still being loaded |
/// | `duplicate`, `reorder` | only `webhook`: the notification comes twice, or after the next |
///
/// Every fault that matches a request applies to it: `webhook=duplicate` and `webhook=reorder` deliver each
/// notification twice and late, delays add up. Of several responses the first added one is sent; the
/// transmission is the worst of those ordered.
///
/// With `webhook`, `drop` loses the notification and `delay` delays it; it has no other faults than these
/// and its own two. `revoke-app` is for requests with an AppJWT, to `consumer`, `conversation` and `send`;
/// `revoke-consumer` for the latter two. A text whose fault its endpoint cannot have, or whose range ends
/// before it begins, is refused.
///
/// ```
/// use lp_connector_sandbox::Fault;
///
/// let fault: Fault = "send:1-2=503".parse()?;
/// assert_eq!(fault.to_string(), "send:1-2=503");
/// assert!("send=sometimes".parse::<Fault>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub(crate) endpoint: Endpoint,
    pub(crate) requests: Requests,
    pub(crate) kind: FaultKind,
}

/// The requests that a fault applies to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Requests {
    All,
    /// From the first to the last of these, counted from 1.
    Range(u64, u64),
    /// So many of a million, at random.
    Share(u32),
}

/// A share in millionths.
const WHOLE: u32 = 1_000_000;

impl Fault {
    /// A fault of all requests to `endpoint`.
    #[must_use]
    pub const fn always(endpoint: Endpoint, kind: FaultKind) -> Self {
        Self { endpoint, requests: Requests::All, kind }
    }

    /// A fault of the requests to `endpoint` from number `first` to number `last`, counted from 1: at least one request,
    /// number `first`.
    #[must_use]
    pub const fn from_to(endpoint: Endpoint, first: u64, last: u64, kind: FaultKind) -> Self {
        let first = if first == 0 { 1 } else { first };
        let last = if last < first { first } else { last };
        Self { endpoint, requests: Requests::Range(first, last), kind }
    }

    /// The endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// What happens, as in the fault's text.
    #[must_use]
    pub const fn kind(&self) -> &FaultKind {
        &self.kind
    }

    /// The requests that it applies to, as in the fault's text; `*` for all.
    #[must_use]
    pub fn requests(&self) -> String {
        match self.requests {
            Requests::All => "*".to_owned(),
            requests => requests.to_string().trim_start_matches(':').to_owned(),
        }
    }

    pub(crate) fn applies_to(&self, nth: u64, random: &mut Random) -> bool {
        match self.requests {
            Requests::All => true,
            Requests::Range(first, last) => (first..=last).contains(&nth),
            Requests::Share(share) => random.next() % u64::from(WHOLE) < u64::from(share),
        }
    }
}

/// The kind of a fault; see [`Fault`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// This status, with these headers, and no effect.
    Status(u16, Vec<(String, String)>),
    /// The response is delayed by this time.
    Delay(Duration),
    /// No response and no effect.
    Drop,
    /// No response, after the effect.
    DropAfter,
    /// The response ends in the middle of its body.
    Truncated,
    /// The response comes byte by byte.
    Slow,
    /// The response comes with chunked encoding.
    Chunked,
    /// Status 200 with an HTML page, as from a sign-in portal, and no effect.
    Html,
    /// Bytes that are not HTTP, and no effect.
    Garbage,
    /// The request's AppJWT is revoked before it is checked.
    RevokeApp,
    /// The request's ConsumerJWS is revoked before it is checked.
    RevokeConsumer,
    /// Monitoring API only: the account is still being loaded.
    Loading,
    /// Webhooks only: the notification comes twice.
    Duplicate,
    /// Webhooks only: the notification comes after the next one.
    Reorder,
}

const NAMES: [(&str, FaultKind); 12] = [
    ("drop", FaultKind::Drop),
    ("drop-after", FaultKind::DropAfter),
    ("truncated", FaultKind::Truncated),
    ("slow", FaultKind::Slow),
    ("chunked", FaultKind::Chunked),
    ("html", FaultKind::Html),
    ("garbage", FaultKind::Garbage),
    ("revoke-app", FaultKind::RevokeApp),
    ("revoke-consumer", FaultKind::RevokeConsumer),
    ("loading", FaultKind::Loading),
    ("duplicate", FaultKind::Duplicate),
    ("reorder", FaultKind::Reorder),
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}={}", self.endpoint, self.requests, self.kind)
    }
}

/// With the colon before it; nothing if these are all requests.
impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Range(first, last) if first == last => write!(f, ":{first}"),
            Self::Range(first, last) => write!(f, ":{first}-{last}"),
            Self::Share(share) => write!(f, ":p{}", f64::from(*share) / f64::from(WHOLE)),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status, headers) => {
                write!(f, "{status}")?;
                headers.iter().try_for_each(|(name, value)| write!(f, ",{name}:{value}"))
            }
            Self::Delay(pause) => write!(f, "delay:{}ms", pause.as_millis()),
            named => {
                let name = NAMES.iter().find(|(_, kind)| kind == named).map(|(name, _)| *name);
                f.write_str(name.unwrap_or_default())
            }
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = |reason: String| format!("the fault {text:?}: {reason}");
        let (place, kind) = text.split_once('=').ok_or_else(|| {
            invalid("it has no `=`: say ENDPOINT[:N[-M]]=WHAT, such as send:1-2=503".to_owned())
        })?;
        let (endpoint, requests) = match place.split_once(':') {
            None => (place, Requests::All),
            Some((endpoint, "*")) => (endpoint, Requests::All),
            Some((endpoint, requests)) => match requests.strip_prefix('p') {
                Some(text) => (endpoint, Requests::Share(share(text).map_err(invalid)?)),
                None => (endpoint, range(requests).map_err(invalid)?),
            },
        };
        let endpoint: Endpoint = endpoint.parse().map_err(invalid)?;
        let kind: FaultKind = kind.parse().map_err(|unknown: String| {
            invalid(format!("{unknown}; {endpoint} can have {}", allowed_at(endpoint)))
        })?;
        if !kind.can_be_at(endpoint) {
            let allowed = allowed_at(endpoint);
            return Err(invalid(format!("{endpoint} cannot have it: say {allowed}")));
        }
        Ok(Self { endpoint, requests, kind })
    }
}

/// The first and last request of `N` or `N-M`.
fn range(text: &str) -> Result<Requests, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| digits(text).filter(|number| *number > 0);
    match number(first).zip(number(last)) {
        Some((first, last)) if first > last => {
            Err(format!("{text} ends before it begins: say {last}-{first}"))
        }
        Some((first, last)) => Ok(Requests::Range(first, last)),
        None => Err(format!(
            "{text:?} is no range of requests: say N, N-M or *, counted from 1, or a share such as p0.05"
        )),
    }
}

/// The millionths of a share between 0 and 1.
fn share(text: &str) -> Result<u32, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.parse::<f64>() {
        Ok(share) if plain && share > 0.0 && share <= 1.0 => {
            Ok((share * f64::from(WHOLE)).round() as u32)
        }
        _ => Err(format!("p{text} is no share of the requests: say a number from p0.000001 to p1")),
    }
}

/// A number of digits alone: not `+1`.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// What a fault of this endpoint can be.
fn allowed_at(endpoint: Endpoint) -> String {
    let status = FaultKind::Status(503, Vec::new()).can_be_at(endpoint);
    let names = NAMES.iter().filter(|(_, kind)| kind.can_be_at(endpoint)).map(|(name, _)| *name);
    let first = if status { "a status, delay:TIME, " } else { "delay:TIME, " };
    first.to_owned() + &names.collect::<Vec<_>>().join(", ")
}

impl FaultKind {
    /// Whether requests to this endpoint can have the fault.
    /// What happens, as a sentence without its point.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Status(status, headers) if headers.is_empty() => {
                format!("status {status}, no effect")
            }
            Self::Status(status, headers) => {
                let headers = headers.iter().map(|(name, value)| format!("{name}: {value}"));
                format!(
                    "status {status} with {}, no effect",
                    headers.collect::<Vec<_>>().join(", ")
                )
            }
            Self::Delay(pause) => format!("comes {} ms later", pause.as_millis()),
            Self::Drop => "no response, no effect".to_owned(),
            Self::DropAfter => "no response, after the effect".to_owned(),
            Self::Truncated => "the response ends early".to_owned(),
            Self::Slow => "the response comes byte by byte".to_owned(),
            Self::Chunked => "the response comes in chunks".to_owned(),
            Self::Html => "status 200 with an HTML page, no effect".to_owned(),
            Self::Garbage => "bytes that are not HTTP, no effect".to_owned(),
            Self::RevokeApp => "the AppJWT is revoked first".to_owned(),
            Self::RevokeConsumer => "the ConsumerJWS is revoked first".to_owned(),
            Self::Loading => "the account is being loaded".to_owned(),
            Self::Duplicate => "delivered twice".to_owned(),
            Self::Reorder => "delivered after the next".to_owned(),
        }
    }

    fn can_be_at(&self, endpoint: Endpoint) -> bool {
        match self {
            Self::Drop | Self::Delay(_) => true,
            Self::Duplicate | Self::Reorder => endpoint == Endpoint::Webhook,
            Self::Loading => endpoint == Endpoint::Monitoring,
            // The request must carry the token.
            Self::RevokeApp => {
                matches!(endpoint, Endpoint::Consumer | Endpoint::Conversation | Endpoint::Send)
            }
            Self::RevokeConsumer => matches!(endpoint, Endpoint::Conversation | Endpoint::Send),
            _ => endpoint != Endpoint::Webhook,
        }
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(kind.clone());
        }
        if let Some(pause) = text.strip_prefix("delay:") {
            let (number, unit) = match pause.strip_suffix("ms") {
                Some(number) => (number, 1),
                None => (pause.strip_suffix('s').unwrap_or(pause), 1000),
            };
            let number =
                digits(number).ok_or_else(|| format!("no delay {pause:?}: say 2s, or 200ms"))?;
            return Ok(Self::Delay(Duration::from_millis(number.saturating_mul(unit))));
        }
        let mut parts = text.split(',');
        let status = parts.next().and_then(digits).and_then(|status| u16::try_from(status).ok());
        let Some(status) = status.filter(|status| (200..=599).contains(status)) else {
            return Err(format!("there is no {text:?}, and statuses are from 200 to 599"));
        };
        let headers = parts
            .map(|header| {
                let (name, value) = header.split_once(':').ok_or("a header is NAME:VALUE")?;
                http::HeaderName::try_from(name).map_err(|_| format!("no header {name:?}"))?;
                http::HeaderValue::try_from(value).map_err(|_| format!("no value {value:?}"))?;
                Ok((name.to_owned(), value.to_owned()))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self::Status(status, headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = FaultKind> {
        let header = ("[a-z][a-z-]{0,10}", "[a-zA-Z0-9 ]{0,10}");
        prop_oneof![
            prop::sample::select(NAMES.map(|(_, kind)| kind).to_vec()),
            (200u16..600, prop::collection::vec(header, 0..3))
                .prop_map(|(s, h)| FaultKind::Status(s, h)),
            (0u64..1 << 50).prop_map(|ms| FaultKind::Delay(Duration::from_millis(ms))),
        ]
    }

    fn requests() -> impl Strategy<Value = Requests> {
        prop_oneof![
            Just(Requests::All),
            (1u64..100, 1u64..100).prop_map(|(first, last)| Requests::Range(first, last)),
            (1u32..=WHOLE).prop_map(Requests::Share),
        ]
    }

    #[test]
    fn a_share_of_the_requests_meets_the_fault() {
        let fault: Fault = "send:p0.05=503".parse().unwrap();
        let mut random = Random::new(7);
        let met = (1..=10_000).filter(|nth| fault.applies_to(*nth, &mut random)).count();
        assert!((400..600).contains(&met), "{met}");
    }

    proptest! {
        #[test]
        fn a_printed_fault_parses_back(
            at in 0usize..10, requests in requests(), kind in kind(),
        ) {
            let fault = Fault { endpoint: Endpoint::ALL[at], requests, kind };
            let in_order = !matches!(requests, Requests::Range(first, last) if first > last);
            let valid = fault.kind.can_be_at(fault.endpoint) && in_order;
            let parsed = fault.to_string().parse::<Fault>();
            prop_assert_eq!(parsed.ok(), valid.then_some(fault));
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = text.parse::<Fault>();
        }
    }

    #[test]
    fn an_invalid_fault_is_refused_with_a_reason() {
        for (text, why) in [
            ("send", "has no `=`"),
            ("sent=503", "there are domain, token"),
            ("send:0=503", "counted from 1"),
            ("send:=503", "counted from 1"),
            ("send:+1=503", "counted from 1"),
            ("send:1-=503", "counted from 1"),
            ("send:1-2-3=503", "counted from 1"),
            ("send:99999999999999999999=503", "counted from 1"),
            ("send:p0=503", "p0 is no share"),
            ("send:p1.5=503", "from p0.000001 to p1"),
            ("send:p1e-3=503", "no share"),
            ("send:p=503", "no share"),
            ("send:pNaN=503", "no share"),
            ("send:2-1=503", "2-1 ends before it begins: say 1-2"),
            ("send=700", "can have a status, delay:TIME, drop, drop-after"),
            ("send=+503", "statuses are from 200"),
            ("send=", "there is no \"\""),
            ("send=delay:+1s", "say 2s"),
            ("send=Drop", "drop, drop-after"),
            ("webhook=503", "webhook cannot have it: say delay:TIME, drop, duplicate, reorder"),
            ("webhook=sometimes", "webhook can have delay:TIME, drop, duplicate, reorder"),
            ("webhook:1=html", "webhook cannot have it"),
            ("send=duplicate", "send cannot have it: say a status"),
            ("send=loading", "revoke-app, revoke-consumer"),
            ("consumer=revoke-consumer", "consumer cannot have it"),
            ("domain=revoke-app", "domain cannot have it"),
            ("monitoring=reorder", "loading"),
            ("send=delay:soon", "say 2s"),
            ("send=delay:", "say 2s"),
            ("send=503,retry", "NAME:VALUE"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
