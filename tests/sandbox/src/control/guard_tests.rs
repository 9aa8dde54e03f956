//! Each way of another site to ask, and each of our own.

use http::Request;

use super::*;

const PORT: u16 = 40124;

/// The status that a request gets; 0 if it may pass.
fn ask(method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    guard(&parts, PORT).err().map_or(0, |problem| problem.status)
}

const OWN: (&str, &str) = ("host", "127.0.0.1:40124");
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_host_of_this_machine_with_the_port_is_needed() {
    for (hosts, status) in [
        (&["127.0.0.1:40124"][..], 0),
        (&["localhost:40124"], 0),
        (&["[::1]:40124"], 0),
        (&[], 421),
        (&["127.0.0.1:40124", "127.0.0.1:40124"], 421),
        (&["127.0.0.1"], 421),
        (&["127.0.0.1:40123"], 421),
        (&["127.0.0.1.:40124"], 421),
        (&["localhost.:40124"], 421),
        (&["evil.example:40124"], 421),
        (&["127.0.0.1.evil.example:40124"], 421),
        (&["0.0.0.0:40124"], 421),
        (&["127.0.0.2:40124"], 421),
        (&["user@127.0.0.1:40124"], 421),
        (&["127.0.0.1:40124, evil.example"], 421),
        (&[""], 421),
    ] {
        let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        for target in ["/console", "/console/app.js", "/v1/snapshot", "/v1/events"] {
            assert_eq!(ask("GET", target, &headers), status, "{hosts:?} {target}");
        }
    }
}

#[test]
fn an_absolute_target_names_this_machine_too() {
    for (target, status) in [
        ("http://127.0.0.1:40124/v1", 0),
        ("http://localhost:40124/v1", 0),
        ("http://evil.example/v1", 421),
        ("http://evil.example:40124/v1", 421),
        ("http://127.0.0.1:40124@evil.example/v1", 421),
        ("http://x@127.0.0.1:40124/v1", 421),
        ("https://127.0.0.1:40124/v1", 421),
    ] {
        assert_eq!(ask("GET", target, &[OWN]), status, "{target}");
    }
}

#[test]
fn only_our_own_page_is_same_origin() {
    let navigate = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    for (method, target, site, more, status) in [
        ("GET", "/v1/events", "same-origin", &[][..], 0),
        ("POST", "/v1/faults", "same-origin", &[], 0),
        ("GET", "/v1/snapshot", "none", &[], 0),
        ("POST", "/v1/faults", "none", &[], 403),
        ("GET", "/v1/events", "same-site", &[], 403),
        ("GET", "/v1/events", "cross-site", &[], 403),
        ("GET", "/console/app.js", "same-site", &[], 403),
        ("GET", "/console", "cross-site", &navigate, 0),
        ("GET", "/console", "same-site", &navigate, 0),
        ("GET", "/v1/snapshot", "cross-site", &navigate, 403),
        ("POST", "/console", "cross-site", &navigate, 403),
        ("GET", "/console", "cross-site", &navigate[..1], 403),
        (
            "GET",
            "/console",
            "cross-site",
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            403,
        ),
        (
            "GET",
            "/console",
            "cross-site",
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            403,
        ),
        ("GET", "/v1", "something-new", &[], 403),
    ] {
        let mut headers = vec![OWN, JSON, ("sec-fetch-site", site)];
        headers.extend(more);
        assert_eq!(ask(method, target, &headers), status, "{method} {target} {site} {more:?}");
    }
    let both = [OWN, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")];
    assert_eq!(ask("GET", "/v1", &both), 403);
}

#[test]
fn an_origin_is_exactly_ours() {
    for (origin, status) in [
        ("http://127.0.0.1:40124", 0),
        ("http://localhost:40124", 403),
        ("http://127.0.0.1:40123", 403),
        ("http://127.0.0.1", 403),
        ("https://127.0.0.1:40124", 403),
        ("http://127.0.0.1:40124/", 403),
        ("http://evil.example", 403),
        ("http://127.0.0.1:40124.evil.example", 403),
        ("http://192.0.2.7:40124", 403),
        ("http://[::1]:40124", 403),
        ("null", 403),
        ("", 403),
    ] {
        for (method, target) in [("GET", "/v1/events"), ("POST", "/v1/faults")] {
            let headers = [OWN, JSON, ("origin", origin)];
            assert_eq!(ask(method, target, &headers), status, "{method} {origin}");
        }
    }
    let localhost = [("host", "localhost:40124"), JSON, ("origin", "http://localhost:40124")];
    assert_eq!(ask("POST", "/v1/faults", &localhost), 0);
}

#[test]
fn a_write_says_that_it_is_json_or_an_image() {
    for (kind, status) in [
        (Some("application/json"), 0),
        (Some("application/json; charset=utf-8"), 0),
        (Some("Application/JSON"), 0),
        (Some("image/png"), 0),
        (Some("image/svg+xml"), 415),
        (Some("text/plain"), 415),
        (Some("text/plain; application/json"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("multipart/form-data; boundary=x"), 415),
        (None, 415),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let mut headers = vec![OWN];
            headers.extend(kind.map(|kind| ("content-type", kind)));
            assert_eq!(ask(method, "/v1/faults", &headers), status, "{method} {kind:?}");
        }
    }
    assert_eq!(ask("GET", "/v1/faults", &[OWN]), 0);
    assert_eq!(ask("OPTIONS", "/v1/faults", &[OWN, JSON]), 403);
}
