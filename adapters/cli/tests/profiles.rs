//! Profiles of the configuration file.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::path::Path;

use lp_connector_sandbox::{Endpoint, Server};
use program::running::Running;
use program::{Run, cloud, run};

/// A home whose configuration has these profiles, each with the address and keys of `server`.
fn home(server: &Server, profiles: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/lp-connector");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("key"), format!("{}\n", server.client_secret())).unwrap();
    let mut text = String::new();
    for (name, more) in profiles {
        text += &format!(
            "[profile.{name}]\naccount = \"{}\"\nclient_id = \"{}\"\ndomain_api = \"{}\"\n{more}\n",
            server.account_id(),
            server.client_id(),
            server.base_url()
        );
    }
    fs::write(folder.join("config.toml"), text).unwrap();
    home
}

fn at(home: &Path, more: &[(&str, &str)], arguments: &[&str]) -> Run {
    let home = [("HOME", home.to_str().unwrap()), ("PATH", "/usr/bin:/bin")];
    run(&[&home[..], more].concat(), arguments)
}

#[test]
fn a_profile_takes_the_place_of_the_variables() {
    let server = cloud(&[]);
    let of_command = "secret_command = [\"cat\", \"key\"]";
    let key = "secret_file = \"key\"";
    let home = home(&server, &[("a", key), ("b", of_command), ("c", "")]);
    let folder = home.path().join(".config/lp-connector");
    let command = format!("secret_command = [\"cat\", \"{}/key\"]", folder.display());
    let text = fs::read_to_string(folder.join("config.toml")).unwrap();
    fs::write(folder.join("config.toml"), text.replace(of_command, &command)).unwrap();
    let (secret, wrong) = (server.client_secret(), "http://127.0.0.1:9");
    let others = [
        ("LP_ACCOUNT_ID", "1"),
        ("LP_CLIENT_ID", "another"),
        ("LP_DOMAIN_API", wrong),
        ("LP_CA_FILE", "/no/such/file"),
        ("LP_CLIENT_SECRET", "another"),
    ];
    for (profile, works) in [("a", true), ("b", true), ("c", false)] {
        let token = at(home.path(), &others, &["--profile", profile, "token"]);
        assert_eq!(token.code, Some(i32::from(!works)), "{profile}: {}", token.stderr);
        let variable =
            [&others[..4], &[("LP_PROFILE", profile)], &[("LP_CLIENT_SECRET", &*secret)]];
        let token = at(home.path(), &variable.concat(), &["token"]);
        assert_eq!(token.code, Some(0), "{profile}: {}", token.stderr);
    }
    // An option counts more.
    let before = server.requests(Endpoint::Domain);
    let option = ["--profile", "a", "--domain-api", wrong, "--retry-pauses", "none", "token"];
    assert_eq!(at(home.path(), &[], &option).code, Some(1));
    assert_eq!(server.requests(Endpoint::Domain), before);
}

#[test]
fn a_profile_that_cannot_be_used_says_why() {
    let server = cloud(&[]);
    let home = home(&server, &[("a", "secret_command = [\"false\"]"), ("b", "")]);
    for (arguments, code, part) in [
        (&["--profile", "none", "token"][..], 2, "there are a, b"),
        (&["--profile", "sandbox", "token"], 1, "no sandbox runs"),
        (&["--profile", "a", "token"], 1, "secret_command (false): exit status"),
        (&["--profile", "b", "token"], 2, "LP_CLIENT_SECRET"),
        (&["--profile", "a", "bridge", "config", "check"], 2, "a configuration file of its own"),
        (&["profile", "show", "none"], 2, "there are a, b"),
        (&["profile", "show", "sandbux"], 2, "(did you mean sandbox?)"),
        (
            &["profile", "show", "none"],
            2,
            "/.config/lp-connector/config.toml; the profile sandbox is there",
        ),
    ] {
        let refused = at(home.path(), &[], arguments);
        assert_eq!(refused.code, Some(code), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(part), "{arguments:?}: {}", refused.stderr);
    }
    let empty = tempfile::tempdir().unwrap();
    let refused = at(empty.path(), &[], &["profile", "show", "none"]);
    let place = empty.path().join(".config/lp-connector/config.toml");
    let sentence = format!(
        "error: there is no profile \"none\": no profile is in {}, which does not exist; the profile sandbox is \
         there while a sandbox runs\n",
        place.display()
    );
    assert_eq!((refused.code, refused.stderr), (Some(2), sentence));
    // A command that uses no account does not mind.
    assert_eq!(at(home.path(), &[("LP_PROFILE", "none")], &["schema"]).code, Some(0));
    let file = home.path().join("other.toml");
    fs::write(&file, "[profile.x]\naccount = \"1\"\nclient_secret = \"s3cr3t\"\n").unwrap();
    let named = [("LP_CONFIG_FILE", file.to_str().unwrap())];
    let refused = at(home.path(), &named, &["profile", "list"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("other.toml, line 3: a secret"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("s3cr3t"), "{}", refused.stderr);
}

#[test]
fn profiles_are_listed_and_shown_without_secrets() {
    let server = cloud(&[]);
    let home = home(&server, &[("a", "secret_file = \"key\""), ("b", "user = \"ada\"")]);
    let listed = at(home.path(), &[], &["profile", "list"]);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(lines[0].starts_with("PROFILE  ACCOUNT"), "{lines:?}");
    assert!(lines[1].contains("in the file ") && lines[1].ends_with("/key"), "{lines:?}");
    assert!(lines[2].starts_with("b ") && lines[2].ends_with("LP_CLIENT_SECRET"), "{lines:?}");
    let shown = at(home.path(), &[], &["profile", "show", "b"]);
    assert!(shown.stdout.contains("  user            ada\n"), "{}", shown.stdout);
    let described = at(home.path(), &[], &["--json", "profile", "show", "a"]).last();
    assert_eq!(described["secret"], "file");
    for text in [listed.stdout, shown.stdout, described.to_string()] {
        assert!(!text.contains(&server.client_secret()), "{text}");
    }
    let empty = tempfile::tempdir().unwrap();
    let none = at(empty.path(), &[], &["profile", "list"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert!(none.stderr.contains("no profile in "), "{}", none.stderr);
}

#[test]
fn the_running_sandbox_is_a_profile() {
    let home = tempfile::tempdir().unwrap();
    let environment = [("HOME", home.path().to_str().unwrap())];
    let folder = home.path().join("tls");
    let running = Running::start(&environment, &["sandbox", "--tls", folder.to_str().unwrap()]);
    running.stderr.find("listening;");
    let ran = at(home.path(), &[], &["--profile", "sandbox", "converse", "--consumer", "a", "coo"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let apps = at(home.path(), &[], &["--profile", "sandbox", "apps", "list"]);
    assert_eq!(apps.code, Some(0), "{}", apps.stderr);
    let listed = at(home.path(), &[], &["profile", "list"]).stdout;
    assert!(listed.contains("sandbox") && listed.contains("https://127.0.0.1:"), "{listed}");
    let agent = ["--profile", "sandbox", "sandbox", "agent"];
    assert_eq!(at(home.path(), &[], &agent).code, Some(0));
    let domain = format!("{}/.config/lp-connector", home.path().display());
    assert!(!Path::new(&domain).exists(), "nothing was written there");
}
