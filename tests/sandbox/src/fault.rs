//! Faults that a test adds to the sandbox.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Endpoint;

/// A fault that some requests to an endpoint meet.
///
/// Its text is `ENDPOINT[:N[-M]]=WHAT`. It applies to requests `N` to `M` of the endpoint, counted from 1
/// since the fault was added; without numbers, or with `*`, to all of them.
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
/// With `webhook`, `drop` loses the notification and `delay` delays it.
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
    /// The first and last request that it applies to.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) kind: FaultKind,
}

impl Fault {
    /// A fault of all requests to `endpoint`.
    #[must_use]
    pub const fn always(endpoint: Endpoint, kind: FaultKind) -> Self {
        Self { endpoint, range: None, kind }
    }

    /// A fault of the requests to `endpoint` from number `first` to number `last`, counted from 1.
    #[must_use]
    pub const fn from_to(endpoint: Endpoint, first: u64, last: u64, kind: FaultKind) -> Self {
        Self { endpoint, range: Some((first, last)), kind }
    }

    pub(crate) fn applies_to(&self, nth: u64) -> bool {
        self.range.is_none_or(|(first, last)| (first..=last).contains(&nth))
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
        write!(f, "{}", self.endpoint)?;
        match self.range {
            None => {}
            Some((first, last)) if first == last => write!(f, ":{first}")?,
            Some((first, last)) => write!(f, ":{first}-{last}")?,
        }
        write!(f, "={}", self.kind)
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
        let (place, kind) = text.split_once('=').ok_or_else(|| {
            format!("the fault {text:?} has no `=`: it is ENDPOINT[:N[-M]]=WHAT, as send:1-2=503")
        })?;
        let (endpoint, range) = match place.split_once(':') {
            None | Some((_, "*")) => (place.split(':').next().unwrap_or_default(), None),
            Some((endpoint, range)) => {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let number = |text: &str| {
                    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
                        format!("the fault {text:?} does not count from 1: say N, or N-M")
                    })
                };
                (endpoint, Some((number(first)?, number(last)?)))
            }
        };
        Ok(Self { endpoint: endpoint.parse()?, range, kind: kind.parse()? })
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(kind.clone());
        }
        if let Some(pause) = text.strip_prefix("delay:") {
            let (digits, unit) = match pause.strip_suffix("ms") {
                Some(digits) => (digits, 1),
                None => (pause.strip_suffix('s').unwrap_or(pause), 1000),
            };
            let number: u64 =
                digits.parse().map_err(|_| format!("no delay {pause:?}: say 2s, or 200ms"))?;
            return Ok(Self::Delay(Duration::from_millis(number.saturating_mul(unit))));
        }
        let mut parts = text.split(',');
        let status = parts.next().and_then(|status| status.parse().ok());
        let Some(status) = status.filter(|status| (200..=599).contains(status)) else {
            let names = NAMES.map(|(name, _)| name).join(", ");
            return Err(format!("unknown fault {text:?}: say a status, delay:TIME, {names}"));
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

    proptest! {
        #[test]
        fn a_printed_fault_parses_back(
            at in 0usize..10, range in prop::option::of((1u64..100, 1u64..100)), kind in kind(),
        ) {
            let fault = Fault { endpoint: Endpoint::ALL[at], range, kind };
            prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
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
            ("send:0=503", "count from 1"),
            ("send=700", "say a status"),
            ("send=delay:soon", "say 2s"),
            ("send=503,retry", "NAME:VALUE"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
