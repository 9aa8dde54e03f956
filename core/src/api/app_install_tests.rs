use bytes::Bytes;
use http::Response;
use serde_json::json;

use super::*;
use crate::id::AccountId;
use crate::seed::Seed;

fn request<O: Operation>(operation: &O) -> Result<http::Request<Bytes>, InvalidInput> {
    let account = AccountId::new("91827364").unwrap();
    let request = operation.request(&Context::new(&account, Seed::from_bytes([7; 16])))?;
    let origin =
        crate::connector::Trust::default().resolve_trusted("z1.acr.liveperson.net").unwrap();
    request.for_origin(&origin)
}

fn user() -> UserSession {
    UserSession { bearer: Secret::new("b34r3r".into()), is_admin: true }
}

fn install() -> AppInstall {
    // The record of protocol.md 13.3.
    let record = json!({"id": "0a1b", "client_id": "0a1b", "client_secret": "k7s3cr3t",
        "enabled": true, "deleted": false, "client_name": "pigeon-post",
        "response_types": ["code", "token", "id_token"], "capabilities": {}});
    AppInstall::new(record, Some("17".into()), false)
}

const PATH: &str = "/api/account/91827364/configuration/app-install/installations";

#[test]
fn the_documented_login_is_written_and_parsed() {
    let login = Login::new("ada", Secret::new("pw".into()));
    let sent = request(&login).unwrap();
    assert_eq!(sent.uri().path_and_query().unwrap(), "/api/account/91827364/login?v=1.3");
    assert_eq!(sent.body()[..], br#"{"username":"ada","password":"pw"}"#[..]);
    let body = json!({"bearer": "b34r3r", "csrf": "c", "sessionTTl": "36000",
        "config": {"isAdmin": true}});
    let answer = Response::new(body.to_string().into());
    let session = login.parse(&ResponseView::new(&answer, false)).unwrap();
    assert!(session.is_admin);
    assert!(!format!("{login:?} {session:?}").contains("b34r3r"));
    assert!(!format!("{login:?}").contains("pw"));
    assert!(request(&Login::new("", Secret::new("x".into()))).is_err());
}

#[test]
fn an_administrator_is_one_by_either_flag() {
    for (config, is_admin) in [
        (json!({"isAdmin": true, "isLPA": false}), true),
        (json!({"isAdmin": false, "isLPA": true}), true),
        (json!({"isAdmin": false, "isLPA": false}), false),
        (json!({}), false),
    ] {
        let answer = Response::new(json!({"bearer": "b", "config": config}).to_string().into());
        let login = Login::new("ada", Secret::new("pw".into()));
        let session = login.parse(&ResponseView::new(&answer, false)).unwrap();
        assert_eq!(session.is_admin, is_admin, "{config}");
    }
}

#[test]
fn a_rate_limited_login_waits_five_seconds() {
    use crate::policy::{Decision, FailureClass, RetryPolicy, RetryState};
    let policy = RetryPolicy::documented().with_hints(Login::RETRY);
    let decision = policy.decide(&RetryState::new(FailureClass::RateLimited));
    assert_eq!(decision, Decision::Retry(Duration::from_secs(5)));
}

#[test]
fn only_a_read_returns_the_revision() {
    let read = ReadInstall::new(user(), "0a1b");
    let sent = request(&read).unwrap();
    assert_eq!(sent.uri().path_and_query().unwrap().as_str(), format!("{PATH}/0a1b?v=1.0"));
    assert_eq!(sent.headers()["authorization"], "Bearer b34r3r");
    assert!(sent.headers()["authorization"].is_sensitive());
    let body = Bytes::from(install().record.to_string());
    let answer = Response::builder().header("ac-revision", "17").body(body).unwrap();
    assert_eq!(read.parse(&ResponseView::new(&answer, false)).unwrap(), install());
    let answer = Response::new(json!([install().record]).to_string().into());
    let list = ListInstalls::new(user()).parse(&ResponseView::new(&answer, false)).unwrap();
    assert_eq!((list[0].id(), list[0].revision.as_deref()), (Some("0a1b"), None));
    assert!(list[0].is_enabled() && !list[0].is_connector());
    assert!(!format!("{list:?}").contains("k7s3cr3t"));
}

#[test]
fn an_update_sends_the_whole_record_and_its_revision() {
    let disable = UpdateInstall::enabled(user(), install(), false);
    let sent = request(&disable).unwrap();
    assert_eq!(sent.method(), "PUT");
    assert_eq!(sent.headers()["if-match"], "17");
    assert_eq!(sent.headers()["x-http-method-override"], "PUT");
    let mut expected = install().record;
    expected["enabled"] = false.into();
    assert_eq!(serde_json::from_slice::<Value>(sent.body()).unwrap(), expected);
    let delete = request(&DeleteInstall::new(user(), install())).unwrap();
    assert_eq!(
        (delete.method().as_str(), &delete.headers()["if-match"]),
        ("DELETE", &"17".parse().unwrap())
    );
    let unread = AppInstall { revision: None, ..install() };
    assert!(request(&UpdateInstall::new(user(), unread.clone())).is_err());
    assert!(request(&DeleteInstall::new(user(), unread)).is_err());
    for id in ["", ".", ".."] {
        assert!(request(&ReadInstall::new(user(), id)).is_err(), "{id:?}");
    }
}

#[test]
fn create_accepts_any_success() {
    let create = CreateInstall::new(user(), json!({"client_name": "x"}));
    assert_eq!(request(&create).unwrap().uri().path(), PATH);
    for (status, body, good) in
        [(201, "", true), (200, r#"{"id":"1"}"#, true), (204, "", true), (403, "{}", false)]
    {
        let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        assert_eq!(create.parse(&ResponseView::new(&answer, false)).is_ok(), good, "{status}");
    }
}

#[test]
fn a_record_has_name_scope_and_enabled_state() {
    let record = json!({"client_name": "Pigeon Post", "scope": "msg.consumer", "enabled": false});
    let connector = AppInstall::new(record, None, false);
    assert_eq!((connector.name(), connector.scope()), (Some("Pigeon Post"), Some("msg.consumer")));
    assert!(connector.is_connector() && !connector.is_enabled());
}

#[test]
fn a_bare_record_is_a_list_of_one() {
    let answer = Response::new(install().record.to_string().into());
    let list = ListInstalls::new(user()).parse(&ResponseView::new(&answer, false)).unwrap();
    assert_eq!(list.len(), 1);
    let answer = Response::new(Bytes::from_static(b"7"));
    assert!(ListInstalls::new(user()).parse(&ResponseView::new(&answer, false)).is_err());
}

#[test]
fn an_update_succeeds_on_2xx_only() {
    let update = UpdateInstall::enabled(user(), install(), false);
    let delete = DeleteInstall::new(user(), install());
    for (status, good) in [(200, true), (204, true), (302, false), (403, false), (412, false)] {
        let answer = Response::builder().status(status).body(Bytes::new()).unwrap();
        let response = ResponseView::new(&answer, false);
        assert_eq!(update.parse(&response).is_ok(), good, "{status}");
        assert_eq!(delete.parse(&response).is_ok(), good, "{status}");
    }
}

#[test]
fn a_login_response_without_a_token_is_an_error() {
    let login = Login::new("a", Secret::new("b".into()));
    for body in [json!({"bearer": ""}), json!({"bearer": 7}), json!({})] {
        let answer = Response::new(body.to_string().into());
        assert!(login.parse(&ResponseView::new(&answer, false)).is_err(), "{body}");
    }
}

#[test]
fn a_login_without_name_or_password_is_not_sent() {
    for (name, password, is_sent) in
        [("ada", "pw", true), ("ada", "", false), ("", "pw", false), ("", "", false)]
    {
        let sent = request(&Login::new(name, Secret::new(password.to_owned())));
        assert_eq!(sent.is_ok(), is_sent, "{name:?} {password:?}");
    }
}

#[test]
fn an_install_without_a_usable_id_is_never_changed() {
    for record in [
        json!({}),
        json!({"id": ""}),
        json!({"id": "."}),
        json!({"id": ".."}),
        json!({"client_id": ".."}),
        json!({"id": 7, "client_id": "0a1b"}),
    ] {
        let app = AppInstall { record, ..install() };
        assert!(request(&DeleteInstall::new(user(), app.clone())).is_err(), "{}", app.record);
        assert!(request(&UpdateInstall::new(user(), app.clone())).is_err(), "{}", app.record);
    }
}

#[test]
fn a_created_install_is_the_record_in_the_response() {
    let create = CreateInstall::new(user(), json!({"client_name": "x"}));
    for (body, id) in
        [(r#"{"id":"0a1b"}"#, Some("0a1b")), ("", None), ("[]", None), ("<html>", None)]
    {
        let answer = Response::builder().status(201).body(Bytes::from(body)).unwrap();
        let created = create.parse(&ResponseView::new(&answer, false)).unwrap();
        assert_eq!(created.as_ref().and_then(AppInstall::id), id, "{body}");
    }
}
