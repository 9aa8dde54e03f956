//! The records of app installs: what is read of one is what an update sends back.

use bytes::Bytes;
use http::header::{HeaderValue, IF_MATCH};
use http::{Request, Response};
use serde_json::Value;

use super::operation::session;
use super::{account, context};
use crate::api::{
    AppInstall, DeleteInstall, InvalidInput, ListInstalls, Operation, ReadInstall, ResponseView,
    UpdateInstall, UserSession,
};
use crate::connector::Trust;

/// The response as a list of installs, and as one with a revision.
pub(super) fn installs(response: &Response<Bytes>) {
    let user = session().expect("a session");
    let mut response = response.clone();
    response.headers_mut().insert("ac-revision", HeaderValue::from_static("7"));
    let answer = ResponseView::new(&response, false);
    for install in ListInstalls::new(user.clone()).parse(&answer).unwrap_or_default() {
        shown(&install);
        // A list has no revisions, whatever its headers say.
        assert_eq!(install.revision, None);
        let delete = DeleteInstall::new(user.clone(), install);
        sent(&delete).expect_err("a deletion without a revision");
    }
    match ReadInstall::new(user.clone(), "x").parse(&answer) {
        Ok(install) => {
            assert_eq!(install.revision.as_deref(), Some("7"));
            if let Ok(strict) = serde_json::from_slice::<Value>(response.body())
                && !install.is_lossy()
            {
                assert_eq!(install.record, strict);
            }
            shown(&install);
            updated(&user, &install);
            deleted(&user, install);
        }
        Err(_) => assert!(!answer.json().is_ok_and(|document| document.is_object())),
    }
}

/// Each accessor says what the record does, and `Debug` shows neither secret nor name.
fn shown(install: &AppInstall) {
    let member = |name: &str| install.record.get(name);
    let text = |name: &str| member(name).and_then(Value::as_str);
    assert_eq!((install.name(), install.scope()), (text("client_name"), text("scope")));
    assert_eq!(install.is_connector(), text("scope") == Some("msg.consumer"));
    let is_enabled = matches!(member("enabled"), None | Some(Value::Null | Value::Bool(true)));
    assert_eq!(install.is_enabled(), is_enabled);
    let (id, revision) = (install.id(), &install.revision);
    let expected = format!("AppInstall {{ id: {id:?}, revision: {revision:?}, .. }}");
    assert_eq!(format!("{install:?}"), expected);
}

/// An update changes the one member, and is refused for a record that was not read whole or has no usable id.
fn updated(user: &UserSession, install: &AppInstall) {
    for enabled in [true, false] {
        let update = UpdateInstall::enabled(user.clone(), install.clone(), enabled);
        let request = match sent(&update) {
            Ok(request) => request,
            Err(refused) => {
                assert!(install.is_lossy() || !has_id(install), "{refused}");
                continue;
            }
        };
        assert!(!install.is_lossy() && has_id(install), "an update that changes the app");
        assert_eq!(request.headers().get(IF_MATCH), Some(&HeaderValue::from_static("7")));
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        let mut expected = install.record.clone();
        let members = expected.as_object_mut().expect("a record");
        members.insert("enabled".to_owned(), enabled.into());
        assert_eq!(body, expected, "it changes something else");
    }
}

/// A deletion needs an id and a revision that can stand in a header.
fn deleted(user: &UserSession, mut install: AppInstall) {
    let delete = DeleteInstall::new(user.clone(), install.clone());
    assert_eq!(sent(&delete).is_ok(), has_id(&install));
    install.revision = Some("7\r\nx-other: 1".to_owned());
    let has_id = has_id(&install);
    let refused = sent(&DeleteInstall::new(user.clone(), install)).expect_err("two headers");
    let line = refused.to_string();
    assert!(!has_id || line.contains("revision") && !line.contains(char::is_control), "{line}");
}

fn has_id(install: &AppInstall) -> bool {
    !matches!(install.id(), None | Some("" | "." | ".."))
}

fn sent(operation: &impl Operation) -> Result<Request<Bytes>, InvalidInput> {
    let account = account();
    let request = operation.request(&context(&account))?;
    let origin = Trust::default().resolve_trusted("api.liveperson.net").expect("a trusted host");
    request.for_origin(&origin)
}
