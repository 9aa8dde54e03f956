//! The rules of the control API's listener, each with the attack that it stops, over a raw socket.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use lp_connector_sandbox::control::v1::ROUTES;
use lp_connector_sandbox::control::{Control, ControlError};
use lp_connector_sandbox::{Limits, Server, ServerConfig, Webhooks};
use serde_json::{Value, json};

/// A response as it came.
struct Raw {
    status: u16,
    head: String,
    body: String,
}

impl Raw {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

struct World {
    server: Server,
    port: u16,
}

impl World {
    fn new() -> Self {
        Self::of(Server::start(ServerConfig::new().control(([127, 0, 0, 1], 0).into())).unwrap())
    }

    fn of(server: Server) -> Self {
        let url = server.control_url().unwrap();
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        Self { server, port }
    }

    fn control(&self) -> Control {
        Control::at(&self.server.control_url().unwrap()).unwrap()
    }

    /// Sends these bytes, and reads until the connection closes.
    fn raw(&self, request: &str) -> Raw {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = request.replace("PORT", &self.port.to_string());
        // A server that refuses may close before all is sent.
        let _ = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            // A reset is an end too.
            assert!(
                !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "it does not end"
            );
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        Raw { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A request with the right host and these headers, each ending with CRLF.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Raw {
        let length = body.len();
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\nconnection: close\r\n{headers}\
             content-length: {length}\r\n\r\n{body}"
        ))
    }

    /// The head of a response that goes on.
    fn head_of(&self, path: &str) -> Raw {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", self.port);
        stream.write_all(request.as_bytes()).unwrap();
        let lines = BufReader::new(stream).lines().map(Result::unwrap);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let status = head.first().and_then(|line| line.get(9..12)?.parse().ok()).unwrap_or(0);
        Raw { status, head: head.join("\r\n"), body: String::new() }
    }

    /// What an attack must not change.
    fn state(&self) -> Value {
        let mut snapshot = serde_json::to_value(self.control().snapshot().unwrap()).unwrap();
        for varying in ["at", "streams"] {
            snapshot.as_object_mut().unwrap().remove(varying);
        }
        snapshot
    }
}

const JSON: &str = "content-type: application/json\r\n";
const FAULT: &str = r#"{"fault":"send=503"}"#;

#[test]
fn it_listens_on_loopback_alone() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let config = ServerConfig::new().control(address.parse().unwrap());
        let error = Server::start(config).unwrap_err().to_string();
        assert!(error.contains("loopback addresses alone"), "{error}");
    }
    // Another name of this machine is none by which the page answers.
    for address in ["127.0.0.2:0", "127.1.2.3:0"] {
        let config = ServerConfig::new().control(address.parse().unwrap());
        let error = Server::start(config).unwrap_err().to_string();
        assert!(error.contains("127.0.0.1 or [::1] alone"), "{error}");
    }
}

#[test]
fn a_foreign_host_is_misdirected() {
    let world = World::new();
    let before = world.state();
    for hosts in [
        "",
        "host: evil.example\r\n",
        "host: evil.example:PORT\r\n",
        "host: 127.0.0.1.evil.example:PORT\r\n",
        "host: 127.0.0.1\r\n",
        "host: 127.0.0.1:1\r\n",
        "host: localhost.:PORT\r\n",
        "host: 127.0.0.1:PORT\r\nhost: 127.0.0.1:PORT\r\n",
        "host: 127.0.0.1:PORT\r\nhost: evil.example\r\n",
    ] {
        for path in ["/console", "/console/app.js", "/v1/snapshot", "/v1/events"] {
            let response =
                world.raw(&format!("GET {path} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"));
            // Without a host at all it is no HTTP/1.1.
            assert!(matches!(response.status, 421 | 400), "{hosts:?} {path}: {}", response.head);
            assert!(!response.body.contains("epoch"), "{}", response.body);
        }
        let write = format!(
            "POST /v1/faults HTTP/1.1\r\n{hosts}{JSON}connection: close\r\n\
             content-length: {}\r\n\r\n{FAULT}",
            FAULT.len()
        );
        assert!(matches!(world.raw(&write).status, 421 | 400), "{hosts:?}");
    }
    for target in ["http://evil.example/v1", "http://127.0.0.1:PORT@evil.example/v1"] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\nconnection: close\r\n\r\n");
        assert_eq!(world.raw(&request).status, 421, "{target}");
    }
    let own = "GET http://127.0.0.1:PORT/v1 HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\nconnection: close\r\n\r\n";
    assert_eq!(world.raw(own).status, 200);
    assert_eq!(world.state(), before);
}

#[test]
fn a_client_that_reads_no_response_is_left() {
    let world = World::new();
    world.control().trigger("text", &json!({})).unwrap();
    let bytes = vec![0; 3 << 20];
    world.control().send_file("latest", None, "x.png", "image/png", &bytes).unwrap();
    let request = format!("GET /v1/files/1 HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", world.port);
    let mut stream = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    let requests = request.repeat(1000);
    let error = loop {
        if let Err(error) = stream.write_all(requests.as_bytes()) {
            break error;
        }
    };
    assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let world = World::new();
    let before = world.state();
    let foreign = [
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "origin: null\r\n",
        "origin: http://127.0.0.1:1\r\n",
        "origin: http://localhost:PORT\r\n",
        "origin: http://192.0.2.7:PORT\r\n",
        "origin: https://evil.example\r\n",
        "origin: http://127.0.0.1:PORT\r\norigin: http://evil.example\r\n",
    ];
    for headers in foreign {
        for (method, path, body) in [
            ("GET", "/v1/snapshot", ""),
            ("GET", "/v1/events", ""),
            ("GET", "/v1/files/1", ""),
            ("POST", "/v1/faults", FAULT),
            ("DELETE", "/v1/faults", ""),
        ] {
            let headers = format!("{headers}{JSON}").replace("PORT", &world.port.to_string());
            let response = world.ask(method, path, &headers, body);
            assert_eq!(response.status, 403, "{headers} {method} {path}");
            assert!(!response.head.contains("access-control"), "{}", response.head);
        }
    }
    assert_eq!(world.state(), before);
    let own =
        format!("sec-fetch-site: same-origin\r\norigin: http://127.0.0.1:{}\r\n{JSON}", world.port);
    assert_eq!(world.ask("POST", "/v1/faults", &own, FAULT).status, 201);
}

#[test]
fn a_write_without_json_is_refused_before_it_is_read() {
    let world = World::new();
    let before = world.state();
    for kind in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: multipart/form-data; boundary=x\r\n",
        "content-type: text/plain;application/json\r\n",
    ] {
        for (method, path) in ROUTES.iter().filter(|(method, _)| *method != "GET") {
            let path = path.replace("{id}", "latest").replace("{n}", "1").replace("{name}", "text");
            let response = world.ask(method, &path, kind, "{");
            assert_eq!(response.status, 415, "{method} {path} {kind}");
        }
    }
    assert_eq!(world.state(), before);
}

#[test]
fn options_are_refused_and_no_cors_header_is_sent() {
    let world = World::new();
    let preflight = "access-control-request-method: POST\r\n\
                     access-control-request-headers: content-type\r\n";
    for path in ["/v1/faults", "/v1/events", "/console", "/nowhere"] {
        assert_eq!(world.ask("OPTIONS", path, preflight, "").status, 403, "{path}");
    }
    for (method, path) in ROUTES.iter().filter(|(_, path)| *path != "/v1/events") {
        let path = path.replace("{id}", "latest").replace("{n}", "1").replace("{name}", "text");
        let response = world.ask(method, &path, JSON, "{}");
        assert!(
            !response.head.to_ascii_lowercase().contains("access-control"),
            "{}",
            response.head
        );
    }
}

#[test]
fn a_read_changes_nothing() {
    let world = World::new();
    world.control().trigger("text", &json!({})).unwrap();
    let before = world.state();
    for (method, path) in ROUTES.iter().filter(|(method, _)| *method == "GET") {
        if *path == "/v1/events" {
            continue;
        }
        let path = path.replace("{id}", "latest").replace("{n}", "1");
        world.ask(method, &path, "", "");
        world.ask("HEAD", &path, "", "");
        assert_eq!(world.state(), before, "{path}");
    }
}

/// All that a page may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types lit-html";

#[test]
fn every_response_forbids_what_a_page_needs_not() {
    let world = World::new();
    for path in ["/console", "/console/app.js", "/v1", "/v1/wire/7", "/v1/events", "/nowhere", "/"]
    {
        let response = match path {
            // It ends with the sandbox alone.
            "/v1/events" => world.head_of(path),
            _ => world.ask("GET", path, "", ""),
        };
        assert_eq!(response.header("content-security-policy"), Some(POLICY), "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(response.header(name), Some(value), "{path}");
        }
        assert!(response.header("set-cookie").is_none());
        if path.starts_with("/v1") {
            assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        }
    }
}

#[test]
fn a_file_is_what_its_bytes_are() {
    let world = World::new();
    let control = world.control();
    let conversation = control.trigger("text", &json!({})).unwrap().conversation.unwrap();
    let html = b"<!doctype html><script>alert(1)</script>";
    let sent = control.send_file(&conversation, None, "cat.png", "image/png", html).unwrap();
    let response = world.ask("GET", &format!("/v1/files/{}", sent.file.unwrap()), "", "");
    assert_eq!(response.header("content-type"), Some("application/octet-stream"));
    assert_eq!(response.header("content-disposition"), Some("attachment"));
    assert_eq!(response.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    for (bytes, kind) in [
        (&b"\x89PNG\r\n\x1a\n rest"[..], "image/png"),
        (b"\xff\xd8\xff\xe0 rest", "image/jpeg"),
        (b"GIF89a rest", "image/gif"),
        (b"GIF88a rest", "application/octet-stream"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream"),
    ] {
        let sent = control.send_file(&conversation, None, "x.gif", "image/gif", bytes).unwrap();
        let number = sent.file.unwrap();
        let response = world.ask("GET", &format!("/v1/files/{number}"), "", "");
        assert_eq!(response.header("content-type"), Some(kind));
        assert_eq!(control.file(number).unwrap(), bytes);
    }
}

#[test]
fn a_file_has_three_mebibytes_at_most() {
    let world = World::new();
    let control = world.control();
    control.trigger("text", &json!({})).unwrap();
    let most = 3 * 1024 * 1024;
    let send =
        |length: usize| control.send_file("latest", None, "x.png", "image/png", &vec![0; length]);
    assert!(send(most).is_ok());
    let Err(ControlError::Refused(problem)) = send(most + 1) else { panic!("it was taken") };
    assert_eq!((problem.status, problem.title.as_str()), (413, "a file has at most 3 MiB"));
}

#[test]
fn nothing_is_posted_to_another_machine() {
    let world = World::new();
    let control = world.control();
    world.server.with(|sandbox| sandbox.set_webhooks(Webhooks::all_at("http://127.0.0.1:1/")));
    let before = world.state();
    for url in [
        "http://localhost.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://user@127.0.0.1/",
        "http://0.0.0.0:8080/",
        "http://192.0.2.1/",
        "http://[::]/",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
    ] {
        for refused in [
            control.post_notification(&json!({"a": 1}), Some(url)).map(drop),
            control.set_webhooks(url).map(drop),
        ] {
            let Err(ControlError::Refused(problem)) = refused else { panic!("{url} was taken") };
            assert_eq!(problem.status, 400, "{url}");
        }
    }
    assert_eq!(world.state(), before);
}

#[test]
fn a_redirect_is_not_followed() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer);
        let answer =
            "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        listener
    });
    let posted = world.control().post_notification(&json!({"a": 1}), Some(&url)).unwrap();
    assert_eq!(posted.status, Some(302));
    drop(answering.join().unwrap());
}

#[test]
fn a_secret_from_elsewhere_signs_no_body_of_a_caller() {
    let config = ServerConfig::new()
        .control(([127, 0, 0, 1], 0).into())
        .sandbox(|config| config.foreign_secret(true));
    let server = Server::start(config).unwrap();
    let control = Control::at(&server.control_url().unwrap()).unwrap();
    assert!(!control.about().unwrap().signs_own_bodies);
    let refused = control.post_notification(&json!({"a": 1}), Some("http://127.0.0.1:1/"));
    let Err(ControlError::Refused(problem)) = refused else { panic!("it was signed") };
    assert_eq!(problem.status, 403);
    assert!(control.trigger("text", &json!({})).is_ok());
}

#[test]
fn a_large_head_or_body_is_refused() {
    let world = World::new();
    let long = format!("x-long: {}\r\n", "x".repeat(20 * 1024));
    let response = world.ask("GET", "/v1", &long, "");
    assert!(matches!(response.status, 431 | 0), "{}", response.head);
    let body = "x".repeat(5 * 1024 * 1024);
    let response = world.ask("POST", "/v1/faults", JSON, &body);
    // The connection may close before the whole body has gone.
    assert!(response.status == 0 || response.body.contains("more than 4 MiB"), "{}", response.body);
    let body = format!("{{\"fault\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(world.ask("POST", "/v1/faults", JSON, &body).status, 413);
}

#[test]
fn a_request_that_does_not_arrive_is_ended() {
    let world = World::new();
    let head = "POST /v1/faults HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\n";
    std::thread::scope(|scope| {
        // The rest of the head, or of the body, never comes.
        let no_head = scope.spawn(|| world.raw(head));
        let no_body =
            scope.spawn(|| world.raw(&format!("{head}{JSON}content-length: 20\r\n\r\n{{")));
        let (no_head, no_body) = (no_head.join().unwrap(), no_body.join().unwrap());
        assert!(matches!(no_head.status, 408 | 0), "{}", no_head.head);
        assert_eq!(no_body.status, 408, "{}", no_body.head);
    });
}

#[test]
fn the_sixty_fifth_connection_is_closed() {
    let world = World::new();
    let head = format!("GET /v1 HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", world.port);
    let answered = || {
        let mut stream = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let _ = stream.write_all(head.as_bytes());
        let read = stream.read(&mut [0; 4096]);
        read.is_ok_and(|read| read > 0).then_some(stream)
    };
    let mut open: Vec<_> = (0..64).map(|_| answered().unwrap()).collect();
    assert!(answered().is_none(), "a connection more");
    open.pop();
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    while answered().is_none() {
        assert!(std::time::Instant::now() < limit, "the connection is still held");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_ninth_stream_is_refused_until_one_ends() {
    let world = World::new();
    let control = world.control();
    let open = |_| control.events(None).map(|mut stream| stream.next().map(|_| stream));
    let mut streams: Vec<_> = (0..8).map(|number| open(number).unwrap().unwrap()).collect();
    assert_eq!(control.about().unwrap().streams, 8);
    let Err(ControlError::Refused(problem)) = open(8) else { panic!("it was opened") };
    assert_eq!(problem.status, 503);
    streams.pop();
    // The server learns of it by itself.
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    while open(9).is_err() {
        assert!(std::time::Instant::now() < limit, "the stream is still held");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn readers_that_are_stuck_hold_nothing_up() {
    let limits = Limits { exchanges: 100, body_bytes: 64 * 1024, ..Limits::default() };
    let config = ServerConfig::new().control(([127, 0, 0, 1], 0).into()).limits(limits);
    let world = World::of(Server::start(config).unwrap());
    // A hundred of them, none of which reads: 64 connections at most, 8 streams at most.
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", world.port);
    let stuck: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
            let _ = stream.write_all(head.as_bytes());
            stream
        })
        .collect();
    let mut cloud = TcpStream::connect(world.server.authority()).unwrap();
    let request = format!("GET /nowhere?{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(2000));
    for _ in 0..2000 {
        cloud.write_all(request.as_bytes()).unwrap();
        let mut buffer = [0; 4096];
        assert!(cloud.read(&mut buffer).unwrap() > 0);
    }
    let (kept, size) = world.server.with(|sandbox| {
        let log = sandbox.recorded().unwrap();
        (log.len(), log.size())
    });
    assert!(kept <= 100, "{kept}");
    assert!(size <= 64 * 1024, "{size}");
    // When they leave, others may come.
    drop(stuck);
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    while world.control().events(None).is_err() {
        assert!(std::time::Instant::now() < limit, "the streams are still held");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_wrong_method_is_told_which_there_are() {
    let world = World::new();
    for (method, path, allowed) in [
        ("PUT", "/v1", "GET, HEAD"),
        ("PUT", "/v1/faults", "GET, POST, DELETE, HEAD"),
        ("POST", "/v1/faults/7", "PATCH, DELETE"),
        ("POST", "/console", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ] {
        let response = world.ask(method, path, JSON, "");
        assert_eq!((response.status, response.header("allow")), (405, Some(allowed)), "{path}");
    }
    assert_eq!(world.ask("GET", "/v1", "", "").header("allow"), None);
}

#[test]
fn a_bad_request_is_a_problem_with_a_sentence() {
    let world = World::new();
    world.control().trigger("text", &json!({})).unwrap();
    for (method, path, body, status, title) in [
        ("GET", "/v1/nowhere", "", 404, "no such path"),
        ("PUT", "/v1/faults", "{}", 405, "no such method here"),
        ("GET", "/v1/conversations/nobody", "", 404, "no such conversation"),
        ("GET", "/v1/wire/x", "", 404, "no exchange"),
        ("GET", "/v1/wire/0", "", 404, "exchange 0 is not kept"),
        ("GET", "/v1/wire?status=6", "", 400, "no status"),
        ("GET", "/v1/wire?endpoint=sent", "", 400, "no endpoint"),
        ("GET", "/v1/wire?before=-1", "", 400, "before=-1: it must be a number"),
        ("GET", "/v1/wire?fault=some", "", 400, "fault=some: it must be a number"),
        ("GET", "/v1/messages?after=1e3", "", 400, "after=1e3"),
        ("GET", "/v1/conversations?state=ajar", "", 400, "state=ajar"),
        ("POST", "/v1/faults", "[]", 400, "the body must be a JSON object"),
        ("POST", "/v1/faults", "{", 400, "the body is no JSON"),
        ("POST", "/v1/faults", "{}", 400, "fault is missing"),
        ("POST", "/v1/faults", r#"{"fault":7}"#, 400, "fault must be text"),
        ("POST", "/v1/faults/off", "[]", 400, "the body must be a JSON object"),
        ("DELETE", "/v1/faults", "[]", 400, "the body must be a JSON object"),
        ("DELETE", "/v1/faults/7", "[]", 400, "the body must be a JSON object"),
        ("POST", "/v1/faults/presets/slow", "[]", 400, "the body must be a JSON object"),
        ("POST", "/v1/tokens/1/revoke", "[]", 400, "the body must be a JSON object"),
        ("POST", "/v1/notifications/1/replay", "[]", 400, "the body must be a JSON object"),
        ("POST", "/v1/reset", "[]", 400, "the body must be a JSON object"),
        ("POST", "/v1/faults", r#"{"fault":"send"}"#, 400, "the fault \"send\""),
        ("PATCH", "/v1/faults/7", r#"{"on":true}"#, 404, "no fault 7"),
        ("PATCH", "/v1/faults/7", r#"{"on":1}"#, 400, "on must be true or false"),
        ("DELETE", "/v1/faults/7", "", 404, "no fault 7"),
        ("POST", "/v1/faults/presets/x", "", 404, "no preset"),
        ("POST", "/v1/tokens/7/revoke", "", 404, "no token 7"),
        ("POST", "/v1/triggers/x", "", 404, "no trigger"),
        ("POST", "/v1/notifications/99/replay", "", 404, "notification 99 is not kept"),
        ("POST", "/v1/notifications", "{}", 400, "preset or body"),
        ("POST", "/v1/notifications", r#"{"preset":{},"body":{}}"#, 400, "preset must be text"),
        ("POST", "/v1/notifications", r#"{"body":{},"url":7}"#, 400, "url must be text"),
        ("PUT", "/v1/webhooks", r#"{"endpoint":7}"#, 400, "endpoint must be text"),
        ("POST", "/v1/notifications", r#"{"preset":"text"}"#, 400, "no webhook is configured"),
        (
            "POST",
            "/v1/notifications",
            r#"{"preset":"text","url":"http://127.0.0.1:1/"}"#,
            400,
            "a preset has a body",
        ),
        ("POST", "/v1/conversations/latest/agent", r#"{"do":"fly"}"#, 400, "unknown action"),
        ("POST", "/v1/conversations/latest/agent", r#"{"do":"text"}"#, 400, "text is missing"),
        (
            "POST",
            "/v1/conversations/latest/agent",
            r#"{"do":"join","as":7}"#,
            400,
            "as must be text",
        ),
        (
            "POST",
            "/v1/conversations/latest/agent",
            r#"{"do":"text","text":"a","replies":[7]}"#,
            400,
            "replies must be",
        ),
        ("PUT", "/v1/webhooks", "{}", 400, "either endpoint or manifest"),
    ] {
        let response = world.ask(method, path, JSON, body);
        assert_eq!(response.status, status, "{method} {path} {body}: {}", response.body);
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        let problem: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(problem.get("status").and_then(Value::as_u64), Some(u64::from(status)));
        let found = problem.get("title").and_then(Value::as_str).unwrap_or_default();
        assert!(found.starts_with(title), "{method} {path}: {found}");
    }
}
