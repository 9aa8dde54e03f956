//! The result of every operation stays the same whatever unrelated members a response holds: one
//! that cannot be read costs itself.

use bytes::Bytes;
use http::Response;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::id::{ClientId, ConversationId, ExtConsumerId};
use crate::secret::Secret;

/// An operation, a response to it, and what is read from it.
struct Golden {
    name: &'static str,
    status: u16,
    body: Value,
    /// Objects whose members are all part of the result.
    closed: &'static [&'static str],
    read: fn(&ResponseView<'_>) -> String,
}

fn reference() -> ConversationRef {
    ConversationRef::new(ExtConsumerId::new("ada").unwrap(), ConversationId::new("c").unwrap())
}

fn user() -> UserSession {
    let body = Bytes::from_static(br#"{"bearer":"b"}"#);
    let answer = Response::new(body);
    Login::new("a", Secret::new("b".into())).parse(&ResponseView::new(&answer, false)).unwrap()
}

fn app() -> ClientId {
    ClientId::new("0a1b").unwrap()
}

fn shown<T: std::fmt::Debug>(result: Result<T, ApiRejection>) -> String {
    format!("{result:?}")
}

fn installs<'a>(found: impl IntoIterator<Item = &'a AppInstall>) -> String {
    let one = |app: &AppInstall| {
        format!("{:?}", (app.id(), app.name(), app.scope(), app.is_enabled(), &app.revision))
    };
    found.into_iter().map(one).collect()
}

/// An AppJWT ([protocol.md 4.3](crate::protocol#4.3)) with these claims, among others that cannot be read.
fn token() -> String {
    use base64::Engine as _;
    let claims =
        r#"{"x":1e400,"iat":1711000000,"exp":1711000600,"y":"\ud83d","scope":"msg.consumer"}"#;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    format!("eyJhIjoxfQ.{payload}.c2ln")
}

fn golden() -> Vec<Golden> {
    let record = json!({"id": "0a1b", "client_id": "0a1b", "client_name": "loft",
        "scope": "msg.consumer", "enabled": false, "capabilities": {"webhooks": {}}});
    let sent = json!({"code": "OK", "body": {"sequence": 12}, "reqId": "c-17"});
    let done = json!({"code": "OK", "body": {"msg": "OK Conversation resolved successfully"}});
    let one = |name, status, body, read| Golden { name, status, body, closed: &[], read };
    vec![
        one("domain", 200, json!({"service": "idp", "baseURI": "va.idp"}), |answer| {
            shown(ListDomains::new().parse(answer))
        }),
        one(
            "domains",
            200,
            json!({"baseURIs": [{"service": "a", "baseURI": "b"},
            {"service": "c", "account": "1", "baseURI": "d"}]}),
            |answer| shown(ListDomains::new().parse(answer)),
        ),
        one("app_jwt", 200, json!({"access_token": token(), "expires_in": 3}), |answer| {
            shown(
                sentinel::parse(answer)
                    .map(|jwt| (jwt.header.as_bytes().len(), jwt.claims, jwt.life)),
            )
        }),
        one("consumer_jws", 201, json!({"token": "a.b.c"}), |answer| {
            shown(idp::parse(answer).map(|jws| jws.header.to_str().unwrap().to_owned()))
        }),
        one(
            "open",
            200,
            json!([{"code": "OK", "body": {"msg": "fine"}, "reqId": "a"},
            {"code": "OK", "body": {"conversationId": "5f0c"}, "reqId": "b"}]),
            |answer| shown(OpenConversation::new(ExtConsumerId::new("ada").unwrap()).parse(answer)),
        ),
        one(
            "open_with_profile_rejected",
            400,
            json!([{"code": 400, "body": {"msg": "no name"}},
            {"code": "OK", "body": {"conversationId": "5f0c"}}]),
            |answer| shown(OpenConversation::new(ExtConsumerId::new("ada").unwrap()).parse(answer)),
        ),
        one(
            "already_open",
            400,
            json!([{"code": "OK", "body": {"msg": "fine"}}, {"code": "BAD_REQUEST",
            "body": {"msg": "User 9c… already has open conversation."}}]),
            |answer| shown(OpenConversation::new(ExtConsumerId::new("ada").unwrap()).parse(answer)),
        ),
        one("send", 200, sent.clone(), |answer| {
            shown(SendText::new(&reference(), "x").parse(answer))
        }),
        one("receipt", 200, sent.clone(), |answer| {
            shown(SendReceipt::new(&reference(), Receipt::Read, [1]).parse(answer))
        }),
        one("chat_state", 200, sent, |answer| {
            shown(SetChatState::new(&reference(), ChatState::Active).parse(answer))
        }),
        one("close", 200, done.clone(), |answer| {
            shown(CloseConversation::new(&reference()).parse(answer))
        }),
        one(
            "closed",
            400,
            json!({"code": "BAD_REQUEST", "reqId": "c-40",
            "body": {"msg": "Bad Request, Conversation is close"}}),
            |answer| shown(SendText::new(&reference(), "x").parse(answer)),
        ),
        one(
            "unauthorized",
            401,
            json!({"kind": "resp", "code": 401, "body": {"title": "Invalid AppJWT",
            "details": "AppJWT has expired or is invalid", "errorCode": 40102}}),
            |answer| shown(SendText::new(&reference(), "x").parse(answer)),
        ),
        one("profile", 200, done, |answer| {
            shown(UpdateProfile::new(&reference(), Profile::new()).parse(answer))
        }),
        one(
            "clock",
            200,
            json!({"code": 200, "body": {"currentTime": 1_711_000_000_123u64}}),
            |answer| shown(GetClock::new(&reference()).parse(answer)),
        ),
        Golden {
            closed: &["queryParams"],
            ..one(
                "upload_url",
                200,
                json!({"code": "OK", "body": {"relativePath": "/v1/a.PNG",
                "queryParams": {"temp_url_sig": "3f9a", "temp_url_expires": "1711015932"}}}),
                |answer| {
                    let url = GenerateUploadUrl::new(&reference(), 3, "PNG").parse(answer);
                    shown(url.map(|url| format!("{url:?} {:?}", url.query().collect::<Vec<_>>())))
                },
            )
        },
        one(
            "engagement",
            201,
            json!({"sessionId": "S", "visitorId": "V", "pageId": "5",
            "engagementDetails": [{"campaignId": 3001, "engagementId": 3002, "engagementRevision": 7,
            "contextId": "2", "status": "expose"}]}),
            |answer| shown(FindEngagement::new(app()).parse(answer)),
        ),
        one(
            "loading",
            500,
            json!({"time": 1, "message": "Loading account: 1, vid: V",
            "internalCode": 20}),
            |answer| {
                let named = monitoring::named_while_loading(answer.body());
                format!("{named:?} {}", shown(FindEngagement::new(app()).parse(answer)))
            },
        ),
        one(
            "bad_visitor",
            404,
            json!({"time": 1, "message": "no", "internalCode": 37}),
            |answer| shown(FindEngagement::new(app()).parse(answer)),
        ),
        one("report", 200, json!({"sessionId": "S", "visitorId": "V", "pageId": "5"}), |answer| {
            shown(ReportActivity::new(app()).parse(answer))
        }),
        one(
            "login",
            200,
            json!({"bearer": "b34r3r", "csrf": "c", "config": {"isAdmin": true}}),
            |answer| {
                let session = Login::new("a", Secret::new("b".into())).parse(answer);
                shown(session.map(|session| session.is_admin))
            },
        ),
        one("installs", 200, json!([record, {"id": "2"}]), |answer| {
            shown(ListInstalls::new(user()).parse(answer).map(|found| installs(&found)))
        }),
        one("install", 200, record.clone(), |answer| {
            shown(ReadInstall::new(user(), "x").parse(answer).map(|found| installs([&found])))
        }),
        one("created", 201, record, |answer| {
            let created = CreateInstall::new(user(), json!({})).parse(answer);
            shown(created.map(|found| installs(&found)))
        }),
        one(
            "refused_app",
            400,
            json!({"error": {"code": "x", "message": "no such scope"}}),
            |answer| {
                shown(
                    CreateInstall::new(user(), json!({}))
                        .parse(answer)
                        .map(|found| installs(&found)),
                )
            },
        ),
    ]
}

/// Members that a strict parser rejects, or that may mislead one.
fn hostile() -> Vec<Vec<u8>> {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut all: Vec<Vec<u8>> = [
        "1e400",
        "-1e999",
        "NaN",
        "Infinity",
        r#""half \ud83d""#,
        r#""\ude42 half""#,
        r#""\u12""#,
        r#""\x41""#,
        "\"NUL \u{0}\"",
        r#""\u0000""#,
        "\"line\nbreak\"",
        "18446744073709551616",
        r#"{"a":1,"a":2}"#,
        r#"{"code":500,"token":"x","message":"misleading"}"#,
        "null",
        "[[],{}]",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    all.push(b"\"not \xff UTF-8 \xed\xa0\xbd\"".to_vec());
    all.extend([100, 129, 5000].map(|depth| deep(depth).into_bytes()));
    all
}

/// Writes `value`, with a member `name` of this value in each object: in the front, in the middle and
/// at the end.
fn write(value: &Value, closed: &[&str], name: &[u8], hostile: &[u8], out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let member = [b"\"", name, b"\":", hostile].concat();
            out.push(b'{');
            for (name, value) in members {
                out.extend_from_slice(&member);
                out.extend_from_slice(format!(",{}:", json!(name)).as_bytes());
                if closed.contains(&name.as_str()) {
                    out.extend_from_slice(value.to_string().as_bytes());
                } else {
                    write(value, closed, name.as_bytes(), hostile, out);
                }
                out.push(b',');
            }
            out.extend_from_slice(&member);
            out.push(b'}');
        }
        Value::Array(elements) => {
            out.push(b'[');
            for (nth, element) in elements.iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                write(element, closed, name, hostile, out);
            }
            out.push(b']');
        }
        leaf => out.extend_from_slice(leaf.to_string().as_bytes()),
    }
}

fn read(golden: &Golden, body: Vec<u8>) -> String {
    let answer = Response::builder().status(golden.status).body(Bytes::from(body)).unwrap();
    (golden.read)(&ResponseView::new(&answer, false))
}

#[test]
fn unrelated_members_never_change_a_result() {
    for golden in golden() {
        let expected = read(&golden, golden.body.to_string().into_bytes());
        for hostile in hostile() {
            for name in [&b"zz"[..], b"half \\ud83d", b"\xff", b""] {
                let mut body = b"\xef\xbb\xbf \n".to_vec();
                write(&golden.body, golden.closed, name, &hostile, &mut body);
                body.extend_from_slice(b" \r\n\0");
                let shown = String::from_utf8_lossy(&hostile).chars().take(40).collect::<String>();
                assert_eq!(read(&golden, body), expected, "{}: {shown}", golden.name);
            }
        }
    }
}

#[test]
fn every_golden_response_is_read() {
    for golden in golden() {
        let found = read(&golden, golden.body.to_string().into_bytes());
        let rejected =
            ["already_open", "closed", "unauthorized", "loading", "bad_visitor", "refused_app"];
        assert_eq!(found.contains("Err("), rejected.contains(&golden.name), "{}", golden.name);
        assert!(!found.contains("Unreadable"), "{}: {found}", golden.name);
    }
}

#[test]
fn an_open_conversation_survives_half_an_emoji() {
    let body = br#"[{"code":"OK","body":{"msg":"OK \ud83d set"}},{"code":"OK","body":
        {"conversationId":"5f0c","x":1e400}}]"#;
    let answer = Response::new(Bytes::from_static(body));
    let opened = OpenConversation::new(ExtConsumerId::new("ada").unwrap());
    let opened = opened.parse(&ResponseView::new(&answer, false)).unwrap();
    assert_eq!(opened.conversation.id().as_str(), "5f0c");
}

#[test]
fn a_bad_element_of_a_list_costs_itself() {
    for bad in ["null", "1e400", "[]", r#""\ud83d""#, "{}", r#"{"service":1,"baseURI":"x"}"#] {
        let body = format!(
            r#"{{"baseURIs":[{bad},{{"service":"a","baseURI":"b"}},{bad}],"engagementDetails":[{bad},
            {{"campaignId":1,"engagementId":2}},{bad}]}}"#
        );
        let answer = Response::new(Bytes::from(body));
        let response = ResponseView::new(&answer, false);
        assert_eq!(ListDomains::new().parse(&response).unwrap().len(), 1, "{bad}");
        let found = FindEngagement::new(app()).parse(&response).unwrap();
        assert_eq!(found.engagements.len(), 1, "{bad}");
    }
    let answer = Response::new(Bytes::from_static(br#"[null,{"id":"1"},1e400,"x"]"#));
    let found = ListInstalls::new(user()).parse(&ResponseView::new(&answer, false)).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn what_is_no_envelope_is_no_success() {
    let send = |body: &str| {
        let answer = Response::new(Bytes::from(body.to_owned()));
        SendText::new(&reference(), "x").parse(&ResponseView::new(&answer, false))
    };
    for body in
        ["null", "7", "true", r#""signed in""#, "[]", r#"[{"code":"OK"},{"code":"OK"}]"#, "[[]]"]
    {
        let rejection = send(body).unwrap_err();
        assert!(matches!(rejection.reason, Reason::Unreadable(_)), "{body}: {rejection:?}");
    }
    let only = send(r#"[{"code":"OK","body":{"sequence":3}}]"#).unwrap();
    assert_eq!(only.sequence, Some(3));
    assert_eq!(send(r#"[{"code":"BAD_REQUEST","body":{"msg":"no"}}]"#).unwrap_err().status, 400);
}

#[test]
fn an_unreadable_member_is_no_permission() {
    for value in ["1", "0", r#""true""#, "[true]", "{}", "1e400", "[]"] {
        let body = format!(
            r#"{{"bearer":"b","config":{{"isAdmin":{value},"isLPA":{value}}},"enabled":{value},
            "scope":{value},"id":"x"}}"#
        );
        let answer = Response::new(Bytes::from(body));
        let response = ResponseView::new(&answer, false);
        let session = Login::new("a", Secret::new("b".into())).parse(&response).unwrap();
        assert!(!session.is_admin, "{value}");
        let app = ReadInstall::new(user(), "x").parse(&response).unwrap();
        assert!(!app.is_enabled() && !app.is_connector(), "{value}");
        let body = format!(r#"{{"id":{value},"client_id":"other"}}"#);
        let answer = Response::new(Bytes::from(body));
        let app = ReadInstall::new(user(), "x").parse(&ResponseView::new(&answer, false)).unwrap();
        assert_ne!(app.id(), Some("other"), "{value}");
    }
    let answer = Response::new(Bytes::from_static(br#"{"enabled":null,"client_id":"c"}"#));
    let app = ReadInstall::new(user(), "x").parse(&ResponseView::new(&answer, false)).unwrap();
    assert!(app.is_enabled() && app.id() == Some("c"));
}

#[test]
fn a_record_that_was_not_read_whole_is_not_sent_back() {
    use crate::id::AccountId;
    use crate::seed::Seed;
    let account = AccountId::new("1").unwrap();
    for (record, lossy) in [(r#"{"id":"1","x":1e400}"#, true), (r#"{"id":"1","x":1}"#, false)] {
        let answer = Response::builder().header("ac-revision", "7");
        let answer = answer.body(Bytes::from_static(record.as_bytes())).unwrap();
        let app = ReadInstall::new(user(), "1").parse(&ResponseView::new(&answer, false)).unwrap();
        assert_eq!(app.is_lossy(), lossy);
        let context = Context::new(&account, Seed::from_bytes([7; 16]));
        let update = UpdateInstall::enabled(user(), app.clone(), true);
        assert_eq!(update.request(&context).is_err(), lossy);
        assert!(DeleteInstall::new(user(), app).request(&context).is_ok());
    }
}

proptest! {
    /// Any member of any value, anywhere.
    #[test]
    fn no_unrelated_member_changes_a_result(
        value in "(\"([ -!#-\\[\\]-~\\u{0}\u{e9}🙂]|\\\\[u\"\\\\/bfnrtx]|\\\\u[d-f][0-9a-f]{3}){0,12}\"|-?[1-9][0-9]{0,30}([eE][0-9]{1,5})?)",
        pick in 0usize..100,
    ) {
        let all = golden();
        let golden = &all[pick % all.len()];
        let expected = read(golden, golden.body.to_string().into_bytes());
        let mut body = Vec::new();
        write(&golden.body, golden.closed, b"zz", value.as_bytes(), &mut body);
        prop_assert_eq!(read(golden, body), expected, "{} {}", golden.name, value);
    }
}
