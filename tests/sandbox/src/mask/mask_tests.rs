//! Every place where a secret can stand.

use proptest::prelude::*;

use super::*;
use crate::journal::{Names, TokenName};

const SECRET: &str = "s3cr3t/+ä\"x";
const APP_JWT: &str = "eyJraWQiOiJhcHAi.eyJhdWQiOiIxIn0.c2lnbmF0dXJl";
const JWS: &str = "eyJraWQiOiJjb25z.eyJhY2NvdW50In0.b3RoZXJzaWc";
const FOREIGN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.Zm9yZWlnbg";

fn secrets() -> Secrets<'static> {
    let mut names = Names::default();
    names.insert(APP_JWT, TokenName::App(3));
    names.insert(JWS, TokenName::Consumer(2, "ada".to_owned()));
    let mut secrets = Secrets::new(Some(Box::leak(Box::new(names))));
    secrets.add(SECRET, "client secret");
    secrets.add("hunter22", "password");
    secrets.add_header("X-Own", "");
    secrets.sort();
    secrets
}

/// Whether six characters in a row of a secret are left.
fn leaks(text: &str) -> bool {
    let query: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    [SECRET, APP_JWT, JWS, FOREIGN, "hunter22", query.as_str()].iter().any(|secret| {
        let chars: Vec<char> = secret.chars().collect();
        chars.windows(6).any(|part| text.contains(&part.iter().collect::<String>()))
    })
}

#[test]
fn headers_show_names() {
    let secrets = secrets();
    for (name, value, shown) in [
        ("authorization", format!("Bearer {APP_JWT}"), "Bearer ‹AppJWT 3›"),
        ("authorization", APP_JWT.to_owned(), "‹AppJWT 3›"),
        ("x-lp-on-behalf", JWS.to_owned(), "‹ConsumerJWS 2, ada›"),
        ("x-own", SECRET.to_owned(), "‹client secret›"),
        ("x-note", format!("see {APP_JWT}."), "see ‹AppJWT 3›."),
        ("content-type", "application/json".to_owned(), "application/json"),
        ("x-liveperson-signature", "sha1=abc".to_owned(), "sha1=abc"),
    ] {
        assert_eq!(secrets.header(name, &value), shown, "{name}");
    }
    for name in HEADERS.into_iter().chain(["x-own"]) {
        let shown = secrets.header(name, "session_id=0123456789; Path=/");
        assert!(shown.starts_with(&format!("‹{name} ")) && !shown.contains("01234"), "{shown}");
    }
}

#[test]
fn the_same_unknown_secret_has_the_same_name() {
    let secrets = secrets();
    let first = secrets.header("authorization", FOREIGN);
    assert_eq!(first, secrets.text(FOREIGN));
    assert_ne!(first, secrets.header("authorization", &format!("{FOREIGN}x")));
}

#[test]
fn queries_and_forms_show_names() {
    let secrets = secrets();
    let query: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let form = format!("grant_type=client_credentials&client_id=a%20b&client_secret={query}");
    let shown = secrets.body("application/x-www-form-urlencoded", form.as_bytes(), false).unwrap();
    assert_eq!(
        shown,
        "grant_type=client_credentials&client_id=a%20b&client_secret=‹client secret›"
    );
    let target = secrets.target(&format!("/a/{APP_JWT}?temp%5Furl_sig=abcdefgh&x={query}&y=1+2"));
    assert!(target.starts_with("/a/‹AppJWT 3›?temp%5Furl_sig=‹temp_url_sig "), "{target}");
    assert!(target.ends_with("&x=‹client secret›&y=1+2") && !leaks(&target), "{target}");
}

#[test]
fn members_of_json_show_names() {
    let secrets = secrets();
    let json = |text: &str| secrets.body("application/json", text.as_bytes(), false).unwrap();
    for (text, shown) in [
        (
            r#"{ "token" : "hunter22", "a": [1, "x"] }"#,
            r#"{ "token" : "‹password›", "a": [1, "x"] }"#,
        ),
        (r#"{"a":"password","b":"token"}"#, r#"{"a":"password","b":"token"}"#),
        (r#"{"token":null,"n":12345678}"#, r#"{"token":null,"n":12345678}"#),
        (r#"["hunter22"]"#, r#"["‹password›"]"#),
        (r#"{"hunter22":1}"#, r#"{"‹password›":1}"#),
    ] {
        assert_eq!(json(text), shown);
    }
    for (text, gone) in [
        (r#"{"PASSWORD":"abcdefgh"}"#, "abcdefgh"),
        (r#"{"access_tok\u0065n":"abcdefgh"}"#, "abcdefgh"),
        (r#"{"token":12345678,"b":1}"#, "12345678"),
        (r#"{"client_secret":{"a":["abcdefgh",{"b":"abcdefgh"}]},"c":"d"}"#, "abcdefgh"),
        (r#"{"x":"hunter\u00322"}"#, "hunter"),
        (r#"{"client_secret":"abcdefgh"#, "abcdefgh"),
        (r#"{"client_secret":"abc\"defgh"#, "defgh"),
    ] {
        let shown = json(text);
        assert!(!shown.contains(gone), "{text} shows {shown}");
    }
    let after = json(r#"{"client_secret":{"a":["abcdefgh"]},"c":"plain text"}"#);
    assert!(after.ends_with(r#""c":"plain text"}"#), "{after}");
}

#[test]
fn a_text_that_was_cut_shows_no_beginning_of_a_secret() {
    let secrets = secrets();
    for length in 4..APP_JWT.len() {
        let text = format!("token {}", &APP_JWT[..length]);
        let shown = secrets.body("text/plain", text.as_bytes(), true).unwrap();
        assert!(!leaks(&shown), "{shown}");
    }
    for secret in [SECRET, "hunter22"] {
        for length in (4..secret.len()).filter(|length| secret.is_char_boundary(*length)) {
            let text = format!("a password {}", &secret[..length]);
            let shown = secrets.body("text/plain", text.as_bytes(), true).unwrap();
            assert!(!leaks(&shown) && shown.starts_with("a password ‹"), "{shown}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_not_shown() {
    assert_eq!(secrets().body("image/png", b"\x89PNG\xff", false), None);
    let cut = &"ä".as_bytes()[..1];
    assert_eq!(secrets().body("text/plain", cut, true), Some(String::new()));
}

proptest! {
    #[test]
    fn no_secret_is_left_wherever_it_stands(
        before in "[ -~ä]{0,12}",
        after in "[ -~ä]{0,12}",
        secret in prop::sample::select(vec![SECRET, APP_JWT, JWS, FOREIGN, "hunter22"]),
        wrap in 0usize..6,
    ) {
        // A token that grows is another token; the separators keep it whole.
        let text = format!("{before} {secret} {after}");
        let value = serde_json::Value::from(text.clone());
        let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let secrets = secrets();
        let shown = match wrap {
            0 => secrets.text(&text).into_owned(),
            1 => secrets.body("application/json", value.to_string().as_bytes(), false).unwrap(),
            2 => secrets.body("application/json",
                serde_json::json!({"a": [value]}).to_string().as_bytes(), false).unwrap(),
            3 => secrets.target(&format!("/path?a={query}")),
            4 => secrets.header("x-any", &text),
            _ => secrets.body("application/x-www-form-urlencoded",
                format!("a={query}").as_bytes(), false).unwrap(),
        };
        prop_assert!(!leaks(&shown), "{}", shown);
    }

    #[test]
    fn json_without_secrets_stays_as_it_is(text in "[ -~\n]{0,80}") {
        let json = serde_json::json!({"a": text, "b": [1.5, null, true, {"c": "x"}]});
        let pretty = serde_json::to_string_pretty(&json).unwrap();
        let shown = Secrets::default().body("application/json", pretty.as_bytes(), false);
        prop_assert_eq!(shown.unwrap(), pretty);
    }

    #[test]
    fn masking_never_panics(text in "\\PC{0,60}", kind in prop::bool::ANY) {
        let kind = if kind { "application/json" } else { "application/x-www-form-urlencoded" };
        let _ = secrets().body(kind, format!("{{{text}").as_bytes(), true);
        let _ = secrets().target(&text);
    }
}

#[test]
fn a_form_is_one_in_any_case_and_without_a_type() {
    let form = b"grant_type=client_credentials&client_secret=of-another-app";
    for content_type in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        " application/x-www-form-urlencoded ; charset=utf-8",
        "application/x-www-form-urlencoded, text/plain",
        "",
    ] {
        let shown = Secrets::default().body(content_type, form, false).unwrap();
        assert!(!shown.contains("of-another-app"), "{content_type}: {shown}");
        assert!(shown.contains("client_credentials"), "{content_type}: {shown}");
    }
}

#[test]
fn a_credential_is_a_secret_without_its_scheme_too() {
    let mut secrets = Secrets::default();
    secrets.add_header("authorization", "Bearer hook-wvqj-cred");
    secrets.sort();
    assert_eq!(secrets.text("no token hook-wvqj-cred"), "no token ‹webhook header›");
    assert_eq!(secrets.text("Bearer hook-wvqj-cred"), "‹webhook header›");
}

#[test]
fn cookies_and_credentials_of_every_kind_are_secret() {
    let secrets = Secrets::default();
    for name in ["authorization", "x-lp-on-behalf", "proxy-authorization", "cookie", "set-cookie"] {
        let shown = secrets.header(name, "session_id=0123456789; Path=/");
        assert!(shown.starts_with(&format!("‹{name} ")) && !shown.contains("01234"), "{shown}");
    }
}

#[test]
fn a_percent_encoded_secret_in_a_path_has_its_name() {
    let mut secrets = Secrets::default();
    secrets.add("two words 77", "password");
    secrets.sort();
    assert_eq!(secrets.path("/x/two%20words%2077/y"), "/x/‹password›/y");
    assert_eq!(secrets.target("/x/two%20w%6Frds%2077?a=b"), "/x/‹password›?a=b");
    assert_eq!(secrets.path("/x/a%20b"), "/x/a%20b");
}
