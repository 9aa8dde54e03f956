//! Posts to a webhook endpoint, on this machine unless it is said otherwise, and reads the answer.

use std::io::{self, Read as _};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use ureq::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use ureq::tls::TlsConfig;
use url::{Host, Url};

use crate::failure::Failure;

/// How much of an answer's body is read.
const MAX_ANSWER: u64 = 16 * 1024;

/// An endpoint to post to.
#[derive(Debug)]
pub(crate) struct Target {
    url: Url,
    flag: &'static str,
    elsewhere: bool,
}

impl Target {
    /// The URL of the option `flag`. It must lead to this machine, unless `elsewhere` is true.
    pub(crate) fn new(text: &str, flag: &'static str, elsewhere: bool) -> Result<Self, Failure> {
        let wrong = |reason: &str| Failure::usage(format!("{flag} {text}: {reason}"));
        let url = Url::parse(text)
            .map_err(|_| wrong("it is no URL, such as http://127.0.0.1:8080/lp"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it must be an http:// or https:// URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it must have no user name and password"));
        }
        if !elsewhere && !is_here(&url) {
            return Err(wrong("it is not on this machine; --elsewhere allows that"));
        }
        if elsewhere && url.scheme() == "http" && !is_here(&url) {
            return Err(wrong("to another machine it must be an https:// URL"));
        }
        Ok(Self { url, flag, elsewhere })
    }

    /// The URL without its query, which may contain a password.
    pub(crate) fn shown(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        shown.to_string()
    }

    /// Checks that `localhost` leads to this machine now.
    fn check(&self) -> Result<(), String> {
        let Some(Host::Domain(name)) = self.url.host() else { return Ok(()) };
        if self.elsewhere && !is_here(&self.url) {
            return Ok(());
        }
        let port = self.url.port_or_known_default().unwrap_or(80);
        let found = (name, port).to_socket_addrs().map_err(|error| error.to_string())?;
        let mut found = found.map(|address| address.ip());
        match found.all(|address| address.is_loopback()) {
            true => Ok(()),
            false => Err(format!("{}: {name} is not this machine here", self.flag)),
        }
    }
}

/// Whether a URL leads to this machine.
pub(crate) fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

/// An endpoint's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The beginning of its body.
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Answer {
    /// Whether the platform takes it for a [success].
    pub(crate) fn is_accepted(&self) -> bool {
        success(Some(self.status)).is_ok()
    }

    /// Its body as one line, cut after 200 characters.
    pub(crate) fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((cut, _)) = words.char_indices().nth(200) {
            words.truncate(cut);
            words.push('…');
        }
        words
    }
}

/// Whether the platform takes a status for a success ([protocol.md 9.1](lp_connector_core::protocol#9.1)), or the failure
/// that says so.
pub(crate) fn success(status: Option<u16>) -> Result<(), Failure> {
    match status {
        Some(200 | 201) => Ok(()),
        Some(status) => Err(Failure::Local(format!(
            "the endpoint answered {status}: LivePerson takes only 200 and 201 for a success"
        ))),
        None => {
            Err(Failure::Local("there was no response: does anything listen there?".to_owned()))
        }
    }
}

/// Posts, with no redirects and no proxy to this machine.
#[derive(Debug)]
pub(crate) struct Poster {
    agent: ureq::Agent,
}

impl Poster {
    pub(crate) fn new(tls: TlsConfig, elsewhere: bool) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls);
        let config = if elsewhere { config } else { config.proxy(None) };
        Self { agent: config.build().into() }
    }

    /// Posts a body with these headers, JSON unless they say otherwise, and takes this long at most. An error says
    /// why there is no answer.
    pub(crate) fn post(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: &[u8],
        limit: Duration,
    ) -> Result<Answer, String> {
        target.check()?;
        let started = Instant::now();
        let mut request = self.agent.post(target.url.as_str());
        if let Some(all) = request.headers_mut() {
            *all = headers;
            all.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        let request = request.config().timeout_global(Some(limit)).build();
        let response = request.send(body).map_err(|error| no_answer(&error, limit))?;
        let status = response.status().as_u16();
        let mut read = Vec::new();
        // What was read until it breaks off is enough.
        let reader = response.into_body().into_reader();
        let _ = reader.take(MAX_ANSWER).read_to_end(&mut read);
        Ok(Answer { status, body: read, took: started.elapsed() })
    }
}

/// Why there is no answer.
fn no_answer(error: &ureq::Error, limit: Duration) -> String {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset};
    match error {
        ureq::Error::Io(error) => match error.kind() {
            ConnectionRefused => "connection refused: nothing listens there".to_owned(),
            BrokenPipe | ConnectionAborted | ConnectionReset | io::ErrorKind::UnexpectedEof => {
                "the connection was closed before an answer".to_owned()
            }
            _ => error.to_string(),
        },
        ureq::Error::Timeout(_) => format!("it took longer than {:.1} s", limit.as_secs_f64()),
        ureq::Error::HostNotFound => "there is no host of this name".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_stays_on_this_machine_unless_it_may_leave() {
        for (url, here, elsewhere) in [
            ("http://127.0.0.1:8080/lp", true, true),
            ("http://localhost:8080/", true, true),
            ("http://LOCALHOST/", true, true),
            ("http://[::1]:8080/", true, true),
            ("https://127.0.0.1/", true, true),
            ("http://0x7f.1/", true, true),
            ("https://hooks.example/", false, true),
            ("http://hooks.example/", false, false),
            ("http://127.0.0.1@hooks.example/", false, false),
            ("http://user@127.0.0.1/", false, false),
            ("http://localhost.hooks.example/", false, false),
            ("http://0.0.0.0/", false, false),
            ("http://192.0.2.1/", false, false),
            ("ftp://127.0.0.1/", false, false),
            ("127.0.0.1:8080", false, false),
            ("", false, false),
        ] {
            assert_eq!(Target::new(url, "--to", false).is_ok(), here, "{url}");
            assert_eq!(Target::new(url, "--to", true).is_ok(), elsewhere, "{url}");
        }
        let target = Target::new("http://127.0.0.1:1/a?key=s3cr3t#x", "--to", false).unwrap();
        assert_eq!(target.shown(), "http://127.0.0.1:1/a");
    }

    #[test]
    fn a_long_answer_is_one_short_line() {
        let answer = |body: &str| Answer {
            status: 200,
            body: body.as_bytes().to_vec(),
            took: Duration::ZERO,
        };
        assert_eq!(answer("a\r\n  b\tc\n").line(), "a b c");
        assert_eq!(answer(&"ü".repeat(300)).line().chars().count(), 201);
    }
}
