//! What can fail on this machine is tried before the cloud is changed.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use lp_connector_sandbox::{Endpoint, Server};
use program::{Run, assert_no_request, assert_refused, cloud, run, run_at, settings};

/// The arguments of `apps` for the user of the sandbox, and a valid manifest in `folder`.
fn apps(server: &Server, folder: &Path, more: &[&str]) -> Vec<String> {
    let (password, manifest) = (folder.join("password"), folder.join("app.json"));
    if !manifest.exists() {
        let endpoint = "https://hooks.pigeon.example/lp";
        let made = run(&[], &["manifest", "new", "--name", "pigeon-post", "--endpoint", endpoint]);
        fs::write(&manifest, made.stdout).unwrap();
    }
    let user = server.with(|cloud| {
        let (user, text) = cloud.config().admin();
        fs::write(&password, text).unwrap();
        user.to_owned()
    });
    let password = password.to_str().unwrap();
    let mut arguments: Vec<String> =
        ["apps", "--user", &user, "--password-file", password].map(str::to_owned).to_vec();
    arguments.extend(more.iter().map(|more| more.replace("MANIFEST", manifest.to_str().unwrap())));
    arguments
}

fn run_apps(server: &Server, folder: &Path, more: &[&str]) -> Run {
    let arguments = apps(server, folder, more);
    run_at(server, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn every_text_is_checked_before_the_first_is_sent() {
    let long = "x".repeat(5_000);
    let control = "\u{1}".repeat(900);
    for (texts, why) in [
        (&["one", &long][..], "text 2: the request with this text has"),
        (&["one", "two", &control], "text 3: the request with this text has"),
        (&["one", ""], "one of the texts is empty: number 2"),
    ] {
        let server = cloud(&[]);
        for command in [
            &["converse", "--consumer", "a"][..],
            &["send", "--consumer", "a", "--conversation", "49cd4179-80f6-4e74-b358-dfea060fdf2e"],
        ] {
            assert_refused(&run_at(&server, &[command, texts].concat()), why);
        }
        assert_no_request(&server);
    }
}

#[test]
fn an_app_is_installed_only_if_its_secret_has_a_place() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let kept = folder.join("kept");
    fs::write(&kept, "precious").unwrap();
    for (file, why) in [
        ("/no/such/x", "cannot create /no/such/x: No such file"),
        ("/dev/full", "File exists"),
        (folder.to_str().unwrap(), "File exists"),
        (kept.to_str().unwrap(), "File exists"),
        (&format!("{}/x", kept.display()), "Not a directory"),
    ] {
        let refused = run_apps(&server, folder, &["create", "MANIFEST", "--secret-to", file]);
        assert_refused(&refused, why);
    }
    let nowhere = run_apps(&server, folder, &["create", "MANIFEST"]);
    assert_refused(&nowhere, "--secret-to FILE, or --secret-to - to print it");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "precious");
    for command in ["show", "enable", "disable", "delete"] {
        for id in ["", ".", ".."] {
            assert_refused(&run_apps(&server, folder, &[command, id]), "the app install's id is");
        }
    }
    assert_no_request(&server);
}

#[test]
fn a_full_disk_shows_before_the_app_is_installed() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let file = folder.path().join("secret");
    let create = ["create", "MANIFEST", "--secret-to", file.to_str().unwrap()];
    let arguments = apps(&server, folder.path(), &create);
    let mut limited = Command::new("sh");
    // A file cannot get any bytes.
    let script = r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#;
    let limited = limited.args(["-c", script, env!("CARGO_BIN_EXE_lp-connector")]).args(arguments);
    let refused = limited.env_clear().envs(settings(&server)).output().unwrap();
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{line}");
    assert!(line.contains("cannot create") && line.contains("File too large"), "{line}");
    assert!(!file.exists());
    assert_no_request(&server);
}

#[test]
fn a_secret_is_in_a_private_file_or_printed() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let file = folder.path().join("secret");
    let create = ["create", "MANIFEST", "--secret-to", file.to_str().unwrap()];
    let created = run_apps(&server, folder.path(), &create);
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&file).unwrap();
    assert!(!secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));

    let server = cloud(&[]);
    let printed = run_apps(&server, folder.path(), &["create", "MANIFEST", "--secret-to", "-"]);
    let mut lines = printed.stdout.lines();
    assert!(lines.next().unwrap().starts_with("created "));
    let secret = lines.next().unwrap().strip_prefix("secret ").unwrap();
    assert!(secret.len() > 10 && lines.next().is_none());
}

#[test]
fn an_install_without_a_secret_is_a_failure() {
    for (fault, code, said) in [
        ("installs=201", 1, "the app is installed, but the answer has no secret"),
        ("installs=html", 1, "the app is installed, but the answer has no secret"),
        ("installs=400", 1, "rejected"),
        ("installs=drop", 1, ""),
    ] {
        for json in [&[][..], &["--json"]] {
            let (server, folder) = (cloud(&[fault]), tempfile::tempdir().unwrap());
            let file = folder.path().join("secret");
            let create = ["create", "MANIFEST", "--secret-to", file.to_str().unwrap()];
            let mut arguments = json.to_vec();
            arguments.extend(["--retry-pauses", "1ms"]);
            let apps = apps(&server, folder.path(), &create);
            arguments.extend(apps.iter().map(String::as_str));
            let failed = run_at(&server, &arguments);
            assert_eq!(failed.code, Some(code), "{fault}: {}", failed.stderr);
            let printed = format!("{}{}", failed.stdout, failed.stderr);
            assert!(printed.contains(said), "{fault}: {printed}");
            assert!(!file.exists(), "{fault}: an empty file is left");
        }
    }
}

#[test]
fn a_download_has_a_place_before_it_is_requested() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let folder = folder.path().to_str().unwrap();
    let conversation = "49cd4179-80f6-4e74-b358-dfea060fdf2e";
    let download = |server: &Server, to: &str| {
        let at = ["download", "--consumer", "a", "--conversation", conversation, "/v1/x", "-o", to];
        run_at(server, &at)
    };
    assert_refused(&download(&server, folder), "Is a directory");
    assert_refused(&download(&server, &format!("{folder}/none/x.png")), "No such file");
    assert_no_request(&server);
    // A download that fails leaves what there was.
    let (kept, new) = (format!("{folder}/kept"), format!("{folder}/new"));
    fs::write(&kept, "precious").unwrap();
    assert_eq!(download(&server, &kept).code, Some(1));
    assert_eq!(download(&server, &new).code, Some(1));
    assert_eq!(fs::read_to_string(&kept).unwrap(), "precious");
    assert!(!Path::new(&new).exists());
}

#[test]
fn a_named_pipe_is_no_place_for_a_file() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let folder = folder.path().to_str().unwrap();
    let (pipe, link) = (format!("{folder}/ca.pem"), format!("{folder}/link"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let at = ["--consumer", "a", "--conversation", "49cd4179-80f6-4e74-b358-dfea060fdf2e"];
    for arguments in [
        &[&["download", "/v1/x", "-o", &pipe][..], &at].concat()[..],
        &[&["download", "/v1/x", "-o", &link][..], &at].concat(),
        &["sandbox", "--tls", folder],
    ] {
        let mut program = Command::new("timeout");
        program.args(["20", env!("CARGO_BIN_EXE_lp-connector")]).args(arguments);
        let ended = program.env_clear().envs(settings(&server)).output().unwrap();
        let line = String::from_utf8(ended.stderr).unwrap();
        assert!(matches!(ended.status.code(), Some(1 | 2)), "{:?} {line}", ended.status);
        assert!(line.contains("it is a named pipe"), "{line}");
    }
    assert_no_request(&server);
}

#[test]
fn a_pipe_that_the_shell_has_opened_takes_a_download() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let folder = folder.path().to_str().unwrap();
    let picture = format!("{folder}/ring.png");
    fs::write(&picture, [0x89, b'P', b'N', b'G']).unwrap();
    let uploaded = run_at(&server, &["--json", "upload", &picture, "--consumer", "a"]).last();
    let text = |name: &str| uploaded[name].as_str().unwrap();
    let script = r#""$0" "$@" -o /dev/fd/3 3>&1 >/dev/null | cat"#;
    let mut piped = Command::new("sh");
    piped.args(["-c", script, env!("CARGO_BIN_EXE_lp-connector"), "download", "--consumer", "a"]);
    piped.args(["--conversation", text("conversation_id"), text("relative_path")]);
    let piped = piped.env_clear().env("PATH", "/usr/bin:/bin").envs(settings(&server)).output();
    assert_eq!(piped.unwrap().stdout, fs::read(&picture).unwrap());
}

#[test]
fn a_signal_leaves_no_file_without_a_secret() {
    for signal in program::signals() {
        let (server, folder) = (cloud(&["installs=delay:20s"]), tempfile::tempdir().unwrap());
        let file = folder.path().join("secret");
        let create = ["create", "MANIFEST", "--secret-to", file.to_str().unwrap()];
        let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        program.args(apps(&server, folder.path(), &create)).stderr(std::process::Stdio::piped());
        let running = program.env_clear().envs(settings(&server)).spawn().unwrap();
        while server.requests(Endpoint::Installs) == 0 {
            std::thread::yield_now();
        }
        assert!(file.exists());
        let killed = Command::new("kill").args([signal, &running.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let ended = running.wait_with_output().unwrap();
        let line = String::from_utf8(ended.stderr).unwrap();
        assert!(!file.exists(), "{signal} leaves the file: {line}");
        assert_eq!(ended.status.code(), Some(1), "{signal}: {line}");
        assert!(line.contains("the app may be installed"), "{line}");
    }
}

#[test]
fn a_shorter_download_replaces_all_of_a_file() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let folder = folder.path().to_str().unwrap();
    let (picture, copy) = (format!("{folder}/ring.png"), format!("{folder}/copy.png"));
    fs::write(&picture, [0x89, b'P', b'N', b'G']).unwrap();
    fs::write(&copy, "longer than the picture").unwrap();
    let uploaded = run_at(&server, &["--json", "upload", &picture, "--consumer", "a"]).last();
    let text = |name: &str| uploaded[name].as_str().unwrap();
    let (id, path) = (text("conversation_id"), text("relative_path"));
    for to in [&*copy, "/dev/null"] {
        let at = ["download", "--consumer", "a", "--conversation", id, path, "-o", to];
        assert_eq!(run_at(&server, &at).code, Some(0));
    }
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&picture).unwrap());
    let at = ["download", "--consumer", "a", "--conversation", id, path, "-o", "/dev/full"];
    let full = run_at(&server, &at);
    assert_eq!(full.code, Some(1));
    assert!(full.stderr.contains("cannot write /dev/full: No space left"), "{}", full.stderr);
}
