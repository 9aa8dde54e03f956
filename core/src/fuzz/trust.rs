//! The hosts that a configuration trusts.

use std::net::IpAddr;

use arbitrary::{Result, Unstructured};
use http::Uri;

use super::operation::text;
use crate::connector::Trust;
use crate::error::ErrorKind;

/// What addresses are made of.
const PARTS: [&str; 28] = [
    "https://",
    "http://",
    "ftp://",
    "HTTPS://",
    "https:",
    "api.liveperson.net",
    "LIVEPERSON.net",
    "lprnd.net",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "10.0.0.1",
    ".",
    "a.",
    "-",
    "*",
    "_",
    ":443",
    ":80",
    ":8443",
    ":0",
    "/",
    "/x",
    "?x",
    "#x",
    "user@",
    " ",
    "\u{e9}",
];

fn address(input: &mut Unstructured<'_>) -> Result<String> {
    let mut address = String::new();
    for _ in 0..input.int_in_range(0..=4u8)? {
        address.push_str(input.choose(&PARTS)?);
    }
    Ok(address)
}

/// Any address of the Domain API, any suffix and any host: what is refused says why, and what is not goes over TLS to a
/// host under the suffix, or stays on this machine.
pub(super) fn trust(input: &mut Unstructured<'_>) -> Result<()> {
    let (api, suffix) = (address(input)?, address(input)?);
    let base = if input.ratio(7u8, 8)? { address(input)? } else { text(input)?.to_owned() };
    let trust = match Trust::new(&api, [&suffix]) {
        Ok(trust) => trust,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let line = error.to_string();
            assert!(is_line(&line), "{line:?}");
            // It names the one that is wrong.
            let is_suffix = Trust::new(&api, [""; 0]).is_ok();
            assert_eq!(line.contains("the trusted suffix"), is_suffix, "{line}");
            assert_eq!(line.contains("the Domain API address"), !is_suffix, "{line}");
            return Ok(());
        }
    };
    let origin = trust.domain_api();
    assert_eq!(trust.is_local(), is_this_machine(origin.host()), "{origin}");
    assert!(origin.scheme() == "https" || trust.is_local(), "{origin} in clear text");
    let uri = api.trim().parse::<Uri>().expect("what one parser reads, the other does too");
    assert_eq!(uri.host().unwrap_or_default().to_ascii_lowercase(), origin.host());
    let suffix = suffix.trim_start_matches('.').to_ascii_lowercase();
    if suffix != "localhost" {
        for host in [suffix.clone(), format!("a.{suffix}")] {
            let resolved = trust.resolve_trusted(&host).expect("a trusted host");
            assert_eq!((resolved.scheme(), resolved.host()), ("https", &*host));
        }
        let other = trust.resolve_trusted(&format!("a{suffix}.example"));
        assert!(other.is_err_and(|why| is_line(&why.to_string())));
    }
    match trust.resolve_trusted(&base) {
        Ok(resolved) if is_this_machine(resolved.host()) => {
            assert!(trust.is_local(), "{resolved} is here, and the Domain API is not");
            assert_eq!(resolved.scheme(), origin.scheme());
        }
        Ok(resolved) => {
            let rest = resolved.host().strip_suffix(&*suffix);
            assert!(rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')), "{resolved}");
            assert_eq!(resolved.scheme(), "https");
        }
        Err(why) => assert!(is_line(&why.to_string()), "{why}"),
    }
    Ok(())
}

/// One line, and not long: a quoted host has a hundred characters at most, each of them perhaps escaped.
fn is_line(text: &str) -> bool {
    text.chars().count() < 1300 && !text.contains(char::is_control)
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}
