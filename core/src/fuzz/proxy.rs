//! The proxy of a request, and the tunnel through it.

use std::net::IpAddr;

use arbitrary::{Arbitrary, Unstructured};
use http::{Method, Uri};

use super::has_canary;
use super::operation::text;
use crate::connector::{Failure, FailureKind, Proxy, ProxyRules, ProxyUrl, Trust, Tunnel};
use crate::http1::{DecodeError, Decoder, Limits, Progress};

/// The environment, where a request goes, and what the proxy answers.
#[derive(Debug)]
struct Journey<'a> {
    variables: Vec<(&'static str, String)>,
    configured: Option<String>,
    uri: String,
    answer: &'a [u8],
}

const NAMES: [&str; 6] =
    ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// What addresses are made of.
const PARTS: [&str; 40] = [
    "http://",
    "https://",
    "socks5://",
    "user:fuzz-canary-secret@",
    "us%3Aer:fuzz-canary-secret@",
    ":80",
    ":3128",
    ":0",
    ":65536",
    "/",
    "/a?b#c",
    "proxy.example",
    "10.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "127.0.0.1",
    "localhost",
    "a.localhost.",
    "0.0.0.0",
    "va.msg.liveperson.net",
    ".liveperson.net",
    "*",
    "*.net",
    "10.0.0.0/8",
    "fe80::/10",
    ",",
    " ",
    "%",
    "%00",
    "\u{fffd}",
    "xn--",
    "LIVEPERSON.NET",
    ".",
    "@",
    "\\",
    "?",
    "#",
    ":",
    "1.2.3",
    "\u{e9}.example",
];

fn address(input: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    let mut address = String::new();
    for _ in 0..input.int_in_range(0..=6u8)? {
        address.push_str(if input.ratio(7u8, 8)? { input.choose(&PARTS)? } else { text(input)? });
    }
    Ok(address)
}

impl<'a> Arbitrary<'a> for Journey<'a> {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut variables = Vec::new();
        for _ in 0..input.int_in_range(0..=3u8)? {
            variables.push((*input.choose(&NAMES)?, address(input)?));
        }
        let configured = if input.ratio(1u8, 4)? { Some(address(input)?) } else { None };
        let uri = if input.ratio(3u8, 4)? {
            format!("https://{}/a?b", address(input)?)
        } else {
            address(input)?
        };
        let rest = input.len();
        Ok(Self { variables, configured, uri, answer: input.bytes(rest)? })
    }
}

/// Any environment: a request goes through a proxy over TLS alone, never to this machine, the tunnel's request names
/// the host that is meant, and the password is shown nowhere.
pub fn proxy(data: &[u8]) {
    if has_canary(data) {
        return;
    }
    let Ok(journey) = Journey::arbitrary(&mut Unstructured::new(data)) else { return };
    let setting = match &journey.configured {
        Some(url) => Proxy::Url(ProxyUrl::new(url.clone())),
        None => Proxy::FromEnvironment,
    };
    let variable = |name: &str| {
        journey.variables.iter().find(|(one, _)| *one == name).map(|(_, value)| value.clone())
    };
    let hides = |shown: String| assert!(!shown.contains("fuzz-canary-secret"), "{shown}");
    // Whatever is said of hosts, nothing untrusted is resolved.
    if let Ok(origin) = Trust::default().resolve_trusted(&journey.uri) {
        assert_eq!(origin.scheme(), "https");
        assert!(super::answers::is_trusted(&origin.host().to_ascii_lowercase()));
    }
    let rules = match ProxyRules::new(&setting, variable) {
        Ok(rules) => rules,
        Err(error) => return hides(format!("{error:#} {error:?}")),
    };
    hides(format!("{rules:?} {setting:?}"));
    if let Proxy::Url(url) = &setting {
        is_canonical(url);
    }
    let Ok(uri) = journey.uri.parse::<Uri>() else { return };
    let direct = ProxyRules::new(&Proxy::None, variable).expect("nothing to judge");
    assert!(matches!(direct.for_uri(&uri), Ok(None)), "the environment counts");
    let chosen = match rules.for_uri(&uri) {
        Ok(Some(chosen)) => chosen,
        Ok(None) => return,
        Err(failure) => {
            assert!(!failure.may_have_left());
            return hides(format!("{failure:?} {}", words(&failure)));
        }
    };
    assert_eq!(uri.scheme_str(), Some("https"), "in clear text");
    assert!(!is_this_machine(uri.host().unwrap_or_default()), "{uri} is here");
    let (host, port) = chosen.host_and_port().expect("a proxy that can be used");
    assert!(!host.is_empty() && port > 0);
    let mut tunnel = match Tunnel::new(chosen, &uri) {
        Ok(tunnel) => tunnel,
        Err(failure) => return hides(format!("{failure:?}")),
    };
    connects(tunnel.request(), &uri);
    hides(format!("{tunnel:?} {}", words(&tunnel.closed().through(chosen))));
    let (expected, status) = decoded(journey.answer);
    for byte in journey.answer {
        match tunnel.feed(*byte) {
            Ok(false) => {}
            Ok(true) => return assert_eq!(expected, Expected::Open),
            Err(failure) => {
                assert!(!failure.may_have_left(), "nothing is sent before there is a tunnel");
                assert_eq!(expected, Expected::Refused(failure.kind()));
                let said = words(&failure);
                assert!(status.is_none_or(|status| said.ends_with(&status.to_string())), "{said}");
                return hides(format!("{failure:?} {said}"));
            }
        }
    }
    assert_eq!(expected, Expected::More);
}

/// The URL in its canonical form is the same URL, and stays as it is.
fn is_canonical(url: &ProxyUrl) {
    let again = ProxyUrl::new(url.expose());
    assert_eq!(again.expose(), url.expose());
    // The default port of `http` is not written, and a proxy's must be.
    if url.host_and_port().is_none_or(|(_, port)| port != 80) {
        assert!(again == *url, "{again:?} is not {url:?}");
    }
}

/// What follows from the answer of a proxy.
#[derive(PartialEq, Debug)]
enum Expected {
    More,
    Open,
    Refused(FailureKind),
}

/// The answer as the decoder reads it whole, and the status of a refusal.
fn decoded(answer: &[u8]) -> (Expected, Option<u16>) {
    let mut decoder = Decoder::new(&Method::HEAD, Limits::new());
    match decoder.feed(answer) {
        Ok(Progress::More) => {
            // Nothing ends too early but at its end.
            let early = decoder.finish().map(|_| ()).map_err(FailureKind::from);
            assert_eq!(early, Err(FailureKind::Broken));
            (Expected::More, None)
        }
        Ok(Progress::Done(done)) => match done.response.status().as_u16() {
            200..=299 => (Expected::Open, None),
            407 => (Expected::Refused(FailureKind::ProxyAuthentication), Some(407)),
            status => (Expected::Refused(FailureKind::Connect), Some(status)),
        },
        Err(error) => {
            let is_large = matches!(error, DecodeError::TooLarge(_));
            let kind = if is_large { FailureKind::TooLarge } else { FailureKind::Protocol };
            assert_eq!(FailureKind::from(error), kind, "{error}");
            (Expected::Refused(FailureKind::Connect), None)
        }
    }
}

/// A name or an address of this machine.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    // One dot at the end is the root; two are no name of anything.
    let host = host.strip_suffix('.').unwrap_or(&host);
    let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
    match address {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => host.rsplit('.').next() == Some("localhost"),
    }
}

/// What a failure says, and its sources say.
fn words(failure: &Failure) -> String {
    let mut words = format!("{:?}", failure.kind());
    let mut source = failure.source.as_deref().map(|source| source as &dyn std::error::Error);
    while let Some(error) = source {
        words.push_str(&format!(": {error}"));
        source = error.source();
    }
    words
}

/// The bytes are one `CONNECT` to that host and port.
fn connects(bytes: &[u8], to: &Uri) {
    let mut headers = [httparse::EMPTY_HEADER; 4];
    let mut parsed = httparse::Request::new(&mut headers);
    let read = parsed.parse(bytes).expect("a head");
    assert_eq!(read, httparse::Status::Complete(bytes.len()));
    let authority = format!("{}:{}", to.host().unwrap_or_default(), to.port_u16().unwrap_or(443));
    assert_eq!((parsed.method, parsed.path), (Some("CONNECT"), Some(&*authority)));
}
