//! Copied commands, as the shell reads them: a `curl` that prints its arguments stands in for the real one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use http::Request;
use lp_connector_sandbox::control::Control;
use lp_connector_sandbox::{Server, ServerConfig, Webhooks};
use serde_json::json;

use crate::world::{World, now};

/// A directory with all the programs that there are: `curl` prints its arguments, `planted` leaves a trace.
struct Programs(PathBuf);

impl Programs {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("lp-curl-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let trace = directory.join("ran");
        for (program, line) in [
            ("curl", r#"printf '%s\0' "$@""#.to_owned()),
            ("planted", format!(": > '{}'", trace.display())),
        ] {
            let file = directory.join(program);
            fs::write(&file, format!("#!/bin/sh\n{line}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(directory)
    }

    fn shell(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut shell = Command::new("/bin/sh");
        shell.args(arguments).env_clear().env("PATH", &self.0).current_dir(&self.0);
        shell.envs(variables.iter().copied()).output().unwrap()
    }

    /// The arguments that curl gets from a command.
    fn arguments(&self, command: &str, variables: &[(&str, &str)]) -> Vec<String> {
        // The lines that set variables are commands too.
        for line in command.lines().filter_map(|line| line.strip_prefix("#   ")) {
            assert!(self.shell(&["-n", "-c", line], &[]).status.success(), "{line}");
        }
        let output = self.shell(&["-c", command], variables);
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(output.stderr.is_empty(), "{command}: {output:?}");
        assert!(!self.0.join("ran").exists(), "{command}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The command for a request that the cloud gets.
fn copied(server: &Server, request: &Request<Vec<u8>>) -> String {
    let number = server.with(|sandbox| sandbox.reply(now(), request)).number.unwrap();
    Control::at(&server.control_url().unwrap()).unwrap().curl(number).unwrap()
}

/// What follows an option.
fn value<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    let place = arguments.iter().position(|argument| argument == option)?;
    arguments.get(place + 1).map(String::as_str)
}

#[test]
fn a_copied_command_runs_nothing_but_curl() {
    let world = World::new();
    let programs = Programs::new("hostile");
    let hostile = [
        "@/etc/passwd",
        "@-",
        "it's `planted` $(planted) \"$HOME\" \\ !! \r\n; planted # & planted",
        "‹client secret› ‹\nplanted\n beef› ‹x beef› ‹",
        "‹ConsumerJWS 1, x\nplanted›",
        "'",
    ];
    for method in ["GET|planted", "`planted`", "A&planted", "$'planted'", "-o", "*", "HEAD", "PUT"]
    {
        for body in hostile {
            // What a text says is a variable's name is read as one.
            let names = [
                ("LP_CLIENT_SECRET", "‹client secret›"),
                ("LP_CONSUMER_JWS", "‹ConsumerJWS 1, x\nplanted›"),
            ];
            let header = body.replace(['\r', '\n'], " ");
            let request = Request::builder()
                .method(method)
                .uri("/[1-9]/{a,b}?x='$(planted)'&y=`planted`;planted|planted")
                .header("x-own", header.as_bytes())
                .header("x-empty", "")
                .body(body.as_bytes().to_vec())
                .unwrap();
            let command = copied(&world.server, &request);
            let arguments = programs.arguments(&command, &names);
            assert!(arguments.contains(&"-g".to_owned()), "{command}");
            let is_head = method == "HEAD";
            assert_eq!(arguments.contains(&"--head".to_owned()), is_head, "{command}");
            assert_eq!(value(&arguments, "-X"), (!is_head).then_some(method), "{command}");
            assert_eq!(value(&arguments, "--data-raw"), (!is_head).then_some(body), "{command}");
            let uri = format!("{}{}", world.server.base_url(), request.uri());
            assert!(arguments.contains(&uri), "{command}");
            assert!(arguments.contains(&"x-empty;".to_owned()), "{command}");
            if !header.contains("ConsumerJWS") {
                assert!(arguments.contains(&format!("x-own: {header}")), "{command}");
            }
        }
    }
}

#[test]
fn every_secret_of_a_command_is_a_variable_or_is_named() {
    let world = World::new();
    let programs = Programs::new("secrets");
    let secret = world.server.client_secret();
    let (user, password) = world.server.with(|sandbox| {
        let (user, password) = sandbox.config().admin();
        (user.to_owned(), password.to_owned())
    });
    let variables = [
        ("LP_CLIENT_SECRET", secret.as_str()),
        ("LP_PASSWORD", password.as_str()),
        ("LP_APP_JWT", world.tokens.0.as_str()),
        ("LP_CONSUMER_JWS", world.tokens.1.as_str()),
    ];
    // All of it has a variable, wherever it stands: with the variables it is what it was.
    let target = format!("/x/{secret}?client_secret={secret}&token={}", world.tokens.0);
    let body = json!({"password": password, "username": user, "token": world.tokens.1,
        "text": format!("{secret} and {secret}, {}", world.tokens.0)});
    let request = Request::post(&target)
        .header("x-more", format!("{secret},{}", world.tokens.1))
        .header("authorization", format!("Bearer {}", world.tokens.0))
        .header("x-lp-on-behalf", &world.tokens.1)
        .body(body.to_string().into_bytes())
        .unwrap();
    let command = copied(&world.server, &request);
    let arguments = programs.arguments(&command, &variables);
    assert!(arguments.contains(&format!("{}{target}", world.server.base_url())), "{command}");
    assert_eq!(value(&arguments, "--data-raw"), Some(&*body.to_string()));
    for (name, value) in request.headers() {
        let line = format!("{name}: {}", value.to_str().unwrap());
        assert!(arguments.contains(&line), "{line} {command}");
    }
    assert!(!command.contains("No variable"), "{command}");
    // What has none is named in front of the command.
    let login = json!({"username": user, "password": password});
    let (_, answer) = world.post("/api/account/91827364/login?v=1.3", &login);
    let bearer = answer["bearer"].as_str().unwrap();
    let request = Request::get("/x?temp_url_sig=0123456789abcdef&temp_url_expires=1")
        .header("authorization", format!("Bearer {bearer}"))
        .header("cookie", "session=0123456789")
        .body(Vec::new())
        .unwrap();
    let command = copied(&world.server, &request);
    let named: Vec<_> = command.lines().filter(|line| line.starts_with("# No variable")).collect();
    assert_eq!(named.len(), 3, "{command}");
    for name in ["‹bearer›", "‹cookie ", "‹temp_url_sig "] {
        assert!(named.iter().any(|line| line.contains(name)), "{command}");
    }
    assert!(!command.contains("LP_APP_JWT"), "{command}");
    // A consumer with a secret for a name: it is in the line that gets a token.
    let odd = json!({"ext_consumer_id": secret});
    let (_, answer) = world.post("/api/account/91827364/consumer?v=1.0", &odd);
    let request = Request::get("/x").header("x-lp-on-behalf", answer["token"].as_str().unwrap());
    let command = copied(&world.server, &request.body(Vec::new()).unwrap());
    assert!(command.contains("ext_consumer_id") && !command.contains(&secret), "{command}");
}

#[test]
fn a_command_trusts_the_certificate_of_the_sandbox() {
    let config = ServerConfig::new().tls(true).control(([127, 0, 0, 1], 0).into());
    let server = Server::start(config).unwrap();
    let programs = Programs::new("tls");
    let request = Request::get("/x").header("authorization", "Bearer eyJhbGciOi");
    let command = copied(&server, &request.body(Vec::new()).unwrap());
    let arguments = programs.arguments(&command, &[("LP_CA_FILE", "/a b/ca.pem")]);
    assert_eq!(value(&arguments, "--cacert"), Some("/a b/ca.pem"), "{command}");
    let get = "#   LP_APP_JWT=$(curl -s --cacert \"$LP_CA_FILE\" ";
    assert!(command.lines().any(|line| line.starts_with(get)), "{command}");
}

#[test]
fn a_copied_command_shows_no_header_of_webhooks() {
    let world = World::new();
    let manifest = json!({"capabilities": {"webhooks": {
        "ms.MessagingEventNotification.ContentEvent": {"endpoint": "http://127.0.0.1:1/",
            "headers": [{"header_name": "x-own", "header_value": "very-private-value"}]}}}});
    let webhooks = Webhooks::from_manifest(&manifest).unwrap();
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let posted = world.control.post_preset("text").unwrap();
    let command = world.control.curl(posted.wire).unwrap();
    assert!(command.contains("x-own: ‹webhook header›"), "{command}");
    assert!(command.contains("# No variable stands for ‹webhook header›"), "{command}");
}
