use super::*;
use crate::connector::Trust;
use crate::error::ErrorKind;
use proptest::prelude::*;

const PROXY: &str = "http://proxy.example:3128";

fn rules(environment: &[(&str, &str)]) -> ProxyRules {
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    ProxyRules::new(&Proxy::FromEnvironment, variable).unwrap()
}

/// The proxy for `uri`, as host and port; `None` for a direct connection.
fn proxy_for(rules: &ProxyRules, uri: &str) -> Option<String> {
    let proxy = rules.for_uri(&uri.parse().unwrap()).unwrap();
    proxy.map(|proxy| proxy.authority().unwrap())
}

/// Why there is no connection.
fn refusal(rules: &ProxyRules, uri: &str) -> String {
    let failure = rules.for_uri(&uri.parse().unwrap()).unwrap_err();
    assert_eq!((failure.kind(), failure.may_have_left()), (FailureKind::ProxySetting, false));
    failure.source.unwrap().to_string()
}

#[test]
fn the_first_variable_that_is_not_empty_names_the_proxy() {
    for (environment, proxy) in [
        (&[][..], None),
        (&[("https_proxy", "http://a:1")], Some("a:1")),
        (&[("HTTPS_PROXY", "http://a:1")], Some("a:1")),
        (&[("all_proxy", "http://a:1")], Some("a:1")),
        (&[("ALL_PROXY", "http://a:1")], Some("a:1")),
        (&[("https_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:1")], Some("a:1")),
        (&[("HTTPS_PROXY", "http://a:1"), ("all_proxy", "http://b:1")], Some("a:1")),
        (&[("all_proxy", "http://a:1"), ("ALL_PROXY", "http://b:1")], Some("a:1")),
        (&[("https_proxy", ""), ("HTTPS_PROXY", "http://b:1")], Some("b:1")),
        (&[("https_proxy", " \t"), ("ALL_PROXY", "http://b:1")], Some("b:1")),
        (&[("https_proxy", " ")], None),
        (&[("https_proxy", " a:1 ")], Some("a:1")),
        (&[("https_proxy", "HTTP://A:1/")], Some("a:1")),
        // What a request header of a CGI program sets, and its sibling.
        (&[("HTTP_PROXY", "http://a:1"), ("http_proxy", "http://b:1")], None),
        (&[("HTTP_PROXY", "http://a:1"), ("REQUEST_METHOD", "GET")], None),
        (&[("https_proxy", "http://a:1"), ("no_proxy", ""), ("NO_PROXY", "*")], None),
        (&[("https_proxy", "http://a:1"), ("no_proxy", "x"), ("NO_PROXY", "*")], Some("a:1")),
    ] {
        let found = proxy_for(&rules(environment), "https://va.msg.liveperson.net/");
        assert_eq!(found.as_deref(), proxy, "{environment:?}");
    }
}

#[test]
fn this_machine_has_no_proxy_whatever_is_set() {
    let explicit = Proxy::Url(ProxyUrl::new(PROXY));
    let explicit = ProxyRules::new(&explicit, |_| None).unwrap();
    let all = rules(&[("https_proxy", PROXY), ("ALL_PROXY", PROXY), ("http_proxy", PROXY)]);
    let unusable = rules(&[("https_proxy", "::::"), ("http_proxy", "::::")]);
    for host in [
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.255.255.254",
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "a.b.localhost",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]:1",
        "0.0.0.0:1",
        "[::]",
        "[::ffff:0.0.0.0]",
        "0x7f.1",
        "2130706433",
        "127.1",
    ] {
        for scheme in ["http", "https"] {
            for rules in [&explicit, &all, &unusable] {
                assert_eq!(proxy_for(rules, &format!("{scheme}://{host}/a?b")), None, "{host}");
            }
        }
    }
    for host in ["localhost.example", "notlocalhost", "128.0.0.1", "[::2]", "127.0.0.1.example"] {
        assert!(proxy_for(&all, &format!("https://{host}/")).is_some(), "{host}");
        assert!(proxy_for(&explicit, &format!("https://{host}/")).is_some(), "{host}");
    }
}

#[test]
fn nothing_goes_through_a_proxy_in_clear_text() {
    let explicit = ProxyRules::new(&Proxy::Url(ProxyUrl::new(PROXY)), |_| None).unwrap();
    for rules in [rules(&[("all_proxy", PROXY), ("http_proxy", PROXY)]), explicit] {
        let refusal = refusal(&rules, "http://va.msg.liveperson.net/");
        assert!(refusal.contains("clear text"), "{refusal}");
    }
}

#[test]
fn a_variable_is_judged_when_a_request_needs_it() {
    for (value, why) in [
        ("::::", "no URL"),
        ("http://", "no URL"),
        ("http://proxy example:1", "no URL"),
        ("https://proxy.example:3128", "not https:// or SOCKS"),
        ("socks5://proxy.example:1080", "not https:// or SOCKS"),
        ("http://proxy.example", "no port"),
        ("proxy.example", "no port"),
        ("http://proxy.example:", "no port"),
        ("http://proxy.example:0", "no port"),
        ("http://80:80@proxy.example", "no port"),
        ("http://proxy.example:99999", "no URL"),
        ("http://ada:s3cr3t/x@proxy.example:3128", "no URL"),
        ("http://ada:12/s3cr3t@proxy.example:3128", "%2F"),
        ("http://ada:12#s3cr3t@proxy.example:3128", "%23"),
        ("http://ada:12?s3cr3t@proxy.example:3128", "%3F"),
        ("http://proxy.example:3128/proxy.pac", "more follows"),
        ("http://a%3Ada:s3cr3t@proxy.example:3128", "colon"),
        ("http://ada:s3cr3t%0A@proxy.example:3128", "control"),
        ("http://ada:s3cr3t\u{fffd}@proxy.example:3128", "UTF-8"),
    ] {
        for name in ["https_proxy", "ALL_PROXY"] {
            let rules = rules(&[(name, value), ("no_proxy", "a.example")]);
            let refusal = refusal(&rules, "https://va.msg.liveperson.net/");
            let start = format!("the proxy of {name} cannot be used: ");
            assert!(refusal.starts_with(&start) && refusal.contains(why), "{value}: {refusal}");
            assert!(!format!("{refusal} {rules:?}").contains("s3cr3t"), "{value}");
            // Not needed for these.
            assert_eq!(proxy_for(&rules, "https://b.a.example/"), None);
            assert_eq!(proxy_for(&rules, "http://127.0.0.1:8080/"), None);
        }
        let explicit = ProxyRules::new(&Proxy::Url(ProxyUrl::from_variable(value)), |_| None);
        assert_eq!(explicit.unwrap_err().kind(), ErrorKind::Configuration);
    }
}

#[test]
fn a_refused_proxy_hides_its_password() {
    for url in ["https://user:s3cr3t@p", "socks5://p", "::::", "", "http://user:1/s3cr3t@p:1"] {
        let proxy = Proxy::Url(ProxyUrl::new(url));
        let error = ProxyRules::new(&proxy, |_| None).unwrap_err();
        assert!(!format!("{error} {error:?} {proxy:?}").contains("s3cr3t"), "{url}");
    }
}

#[test]
fn user_and_password_follow_the_rfcs() {
    // (before the `@`, the credentials, and the same in Base64)
    for (info, base64) in [
        ("ada:pw", Some("YWRhOnB3")), // ada:pw
        ("ada:", Some("YWRhOg==")),   // ada:
        ("ada", Some("YWRhOg==")),    // ada:
        (":pw", Some("OnB3")),        // :pw
        (":", None),
        ("", None),
        ("u%40x:p%25w", Some("dUB4OnAldw==")),      // u@x:p%w
        ("ada:a:b", Some("YWRhOmE6Yg==")),          // ada:a:b
        ("ada:a%3Ab", Some("YWRhOmE6Yg==")),        // ada:a:b
        ("ada:%2F%3F%23%40", Some("YWRhOi8/I0A=")), // ada:/?#@
        ("a+d a:p+w", Some("YStkIGE6cCt3")),        // a+d a:p+w
        ("ada:100%", Some("YWRhOjEwMCU=")),         // ada:100%
        ("ada:%zz", Some("YWRhOiV6eg==")),          // ada:%zz
        ("Ada:Pi%C3%B1ata", Some("QWRhOlBpw7FhdGE=")), // Ada:Piñata
        ("Ada:Piñata", Some("QWRhOlBpw7FhdGE=")),   // Ada:Piñata
        ("ada:%FF", Some("YWRhOv8=")),              // a byte that is no UTF-8
        ("a@b:pw", Some("YUBiOnB3")),               // a@b:pw
        ("DOMAIN%5Cada:pw", Some("RE9NQUlOXGFkYTpwdw==")), // DOMAIN\ada:pw
    ] {
        let url = ProxyUrl::new(format!("http://{info}@proxy.example:3128"));
        let expected = base64.map(|base64| format!("Basic {base64}"));
        let found = url.authorization().map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(found, expected, "{info}");
        assert_eq!(url.authority().as_deref(), Some("proxy.example:3128"), "{info}");
        assert!(url.authorization().is_none_or(|value| value.is_sensitive()));
    }
}

#[test]
fn a_proxy_url_is_kept_in_canonical_form() {
    for (text, canonical, host_and_port) in [
        ("http://PROXY.example:80", "http://proxy.example/", Some(("proxy.example", 80))),
        (
            "http://u:80@proxy.example:080/",
            "http://u:80@proxy.example/",
            Some(("proxy.example", 80)),
        ),
        ("http://0x7f.1:8080/", "http://127.0.0.1:8080/", Some(("127.0.0.1", 8080))),
        ("http://[::0:1]:3128", "http://[::1]:3128/", Some(("::1", 3128))),
        ("http://[::1]:80", "http://[::1]/", Some(("::1", 80))),
        (
            "http://b\u{fc}cher.example:1",
            "http://xn--bcher-kva.example:1/",
            Some(("xn--bcher-kva.example", 1)),
        ),
        ("http://a.example\\@b.example", "http://a.example/@b.example", None),
        ("http://a.example:1\\@b.example:2", "http://a.example:1/@b.example:2", None),
    ] {
        let url = ProxyUrl::new(text);
        assert_eq!(url.expose(), canonical);
        let expected = host_and_port.map(|(host, port)| (host.to_owned(), port));
        assert_eq!(url.host_and_port(), expected, "{text}");
    }
}

/// Each row: the list, a host, and whether it is reached without the proxy. Where curl and Go's
/// `httpproxy` differ, the row says which one it follows.
#[test]
fn no_proxy_understands_what_curl_and_go_do() {
    for (list, host, direct) in [
        ("a.example", "a.example", true),
        ("a.example", "x.y.a.example", true),
        ("a.example", "xa.example", false),
        ("a.example", "a.example.net", false),
        ("a.example", "example", false),
        (".a.example", "x.a.example", true),
        (".a.example", "xa.example", false),
        (".a.example", "a.example", true),    // curl
        ("*.a.example", "x.a.example", true), // Go
        ("*.a.example", "a.example", false),  // Go
        ("*.a.example", "xa.example", false),
        ("example", "a.example", true),
        ("*", "a.example", true),
        ("*", "192.0.2.1", true),
        ("b.example, *", "a.example", true), // Go
        ("*a.example", "xa.example", false),
        ("a.*", "a.example", false),
        ("A.Example", "a.EXAMPLE", true),
        ("a.example.", "a.example", true), // curl
        ("a.example", "a.example.", true), // curl
        ("b\u{fc}cher.example", "xn--bcher-kva.example", true),
        ("B\u{dc}CHER.example", "x.xn--bcher-kva.example", true),
        ("a.example:8443", "a.example:8443", true),   // Go
        ("a.example:8443", "x.a.example:8443", true), // Go
        ("a.example:8443", "a.example", false),       // Go
        ("a.example:443", "a.example", true),         // Go
        (".a.example:443", "x.a.example", true),      // Go
        ("*.a.example:443", "x.a.example", true),     // Go
        ("a.example:x", "a.example", false),
        ("a.example:", "a.example", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.1:8443", true),
        ("192.0.2.1:443", "192.0.2.1", true),       // Go
        ("192.0.2.1:443", "192.0.2.1:8443", false), // Go
        ("192.0.2.1", "192.0.2.11", false),
        ("2.1", "192.0.2.1", false),
        ("::ffff:192.0.2.1", "192.0.2.1", true), // Go
        ("2001:db8::1", "[2001:db8::1]", true),
        ("[2001:db8::1]", "[2001:db8::1]", true),
        ("2001:DB8:0::1", "[2001:db8::1]:8443", true),
        ("[2001:db8::1]:443", "[2001:db8::1]", true), // Go
        ("[2001:db8::1]:443", "[2001:db8::1]:8443", false), // Go
        ("2001:db8::1", "[2001:db8::2]", false),
        ("192.0.2.0/24", "192.0.2.200", true),
        ("192.0.2.77/24", "192.0.2.200", true),
        ("192.0.2.0/24", "192.0.3.1", false),
        ("192.0.2.0/25", "192.0.2.128", false),
        ("192.0.2.1/32", "192.0.2.1", true),
        ("192.0.2.1/32", "192.0.2.2", false),
        ("0.0.0.0/0", "192.0.2.1", true),
        ("0.0.0.0/0", "[2001:db8::1]", false),
        ("0.0.0.0/0", "a.example", false),
        ("192.0.2.0/33", "192.0.2.0", false),
        ("192.0.2.0/", "192.0.2.0", false),
        ("192.0.2.0/x", "192.0.2.0", false),
        ("2001:db8::/32", "[2001:db8:1::1]", true),
        ("[2001:db8::]/32", "[2001:db8:1::1]", true), // curl
        ("2001:db8::/32", "[2001:db9::1]", false),
        ("::/0", "[2001:db8::1]", true),
        ("::/0", "192.0.2.1", false),
        ("b.example,a.example", "a.example", true),
        ("b.example a.example", "a.example", true), // curl
        (" b.example ,\t a.example\n", "a.example", true),
        (",, ,", "a.example", false),
        ("", "a.example", false),
        (".", "a.example", false),
        ("*.", "a.example", false),
        ("http://a.example", "a.example", false),
        ("[", "a.example", false),
        ("]:1", "a.example", false),
        (":443", "a.example", false),
        ("/", "a.example", false),
    ] {
        let rules = rules(&[("https_proxy", PROXY), ("no_proxy", list)]);
        let found = proxy_for(&rules, &format!("https://{host}/")).is_none();
        assert_eq!(found, direct, "{list:?} and {host}");
        let upper = self::rules(&[("HTTPS_PROXY", PROXY), ("NO_PROXY", list)]);
        assert_eq!(proxy_for(&upper, &format!("https://{host}/")).is_none(), direct);
    }
}

/// What the proxy's answer leads to: an open tunnel, or a failure and what it says.
fn tunnel(proxy: &str, answer: &str) -> Result<usize, (FailureKind, String)> {
    let to = Uri::from_static("https://va.msg.liveperson.net/api?secret");
    let mut tunnel = Tunnel::new(&ProxyUrl::new(proxy), &to).unwrap();
    assert!(!format!("{tunnel:?}").contains("CONNECT"));
    let shown = |failure: Failure| {
        assert!(!failure.may_have_left());
        (failure.kind, failure.source.unwrap().to_string())
    };
    for (read, byte) in answer.bytes().enumerate() {
        if tunnel.feed(byte).map_err(shown)? {
            return Ok(read + 1);
        }
    }
    Err(shown(tunnel.closed()))
}

#[test]
fn a_tunnel_opens_behind_the_head_of_a_2xx() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ] {
        assert_eq!(tunnel(PROXY, &format!("{head}TLS")), Ok(head.len()), "{head}");
    }
}

#[test]
fn a_proxy_that_refuses_says_why() {
    for (answer, kind, why) in [
        (
            // Its body never ends.
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 9999\r\n\r\nno",
            FailureKind::ProxyAuthentication,
            "refused with status 407",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", FailureKind::Connect, "refused with status 403"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", FailureKind::Connect, "refused with status 502"),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", FailureKind::Connect, "status 302"),
        ("SSH-2.0-x\r\n\r\n", FailureKind::Connect, "does not speak HTTP"),
        ("HTTP/1.1 2", FailureKind::Connect, "closed the connection"),
        ("", FailureKind::Connect, "closed the connection"),
    ] {
        let (found, said) = tunnel("http://ada:s3cr3t@proxy.example:3128", answer).unwrap_err();
        assert_eq!(found, kind, "{answer}");
        assert!(said.starts_with("the proxy proxy.example:3128 ") && said.contains(why), "{said}");
    }
}

#[test]
fn connect_names_the_host_with_its_port() {
    for (to, line) in [
        ("https://a.example/x?y", "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n"),
        ("https://a.example:80/", "CONNECT a.example:80 HTTP/1.1\r\n"),
        ("https://[2001:db8::1]:8443/", "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n"),
    ] {
        let tunnel = Tunnel::new(&ProxyUrl::new("http://ada@p:1"), &to.parse().unwrap()).unwrap();
        let request = String::from_utf8(tunnel.request().to_vec()).unwrap();
        assert!(request.starts_with(line), "{request}");
        assert!(request.ends_with("proxy-authorization: Basic YWRhOg==\r\n\r\n"), "{request}");
    }
}

#[test]
fn a_failed_connection_names_the_proxy() {
    let failure = Failure::never_sent(FailureKind::Connect).with_source(fmt::Error);
    let source = failure.through(&ProxyUrl::new("http://ada:s3cr3t@[::1]:3128")).source.unwrap();
    assert_eq!(source.to_string(), "the connection to the proxy [::1]:3128");
    assert!(source.source().is_some());
}

proptest! {
    /// Plain HTTP is for loopback alone, and loopback has no proxy: no proxy ever sees a secret.
    #[test]
    fn what_may_receive_plain_http_has_no_proxy(
        base in "(127\\.[0-9]{1,3}\\.0\\.[0-9]{1,3}|localhost|\\[::1\\])(:[0-9]{1,5})?",
    ) {
        let trust = Trust::new("http://127.0.0.1:4000", ["liveperson.net"]).unwrap();
        if let Ok(origin) = trust.resolve_trusted(&base) {
            let rules = rules(&[("all_proxy", PROXY), ("http_proxy", PROXY)]);
            prop_assert_eq!(origin.scheme(), "http");
            prop_assert_eq!(proxy_for(&rules, &format!("{origin}/")), None);
        }
    }

    #[test]
    fn no_setting_panics(url: String, list: String, host in "[a-z0-9.:\\[\\]-]{1,20}") {
        let rules = rules(&[("https_proxy", &url), ("no_proxy", &list)]);
        if let Ok(uri) = format!("https://{host}/").parse() {
            let _ = rules.for_uri(&uri);
        }
        let _ = format!("{rules:?} {:?}", ProxyUrl::new(url).authorization());
    }
}
