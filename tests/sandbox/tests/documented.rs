//! The sandbox against the documentation: each example, and each refusal.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod cloud;

use std::time::Duration;

use cloud::{CONVERSATION, Cloud, NOW, SEND, text};
use http::Request;
use lp_connector_sandbox::{Endpoint, Transmission};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn one_service_is_an_object_and_all_are_a_wrapped_array() {
    let mut cloud = Cloud::new();
    let (status, one) =
        cloud.get("/api/account/91827364/service/sentinel/baseURI.json?version=1.0");
    let expected =
        json!({"service": "sentinel", "account": "91827364", "baseURI": "va.example.net"});
    assert_eq!((status, &one), (200, &expected));
    for path in ["api", "csdr"] {
        let all = format!("/{path}/account/91827364/service/baseURI.json?version=1.0");
        let (status, all) = cloud.get(&all);
        assert_eq!(status, 200);
        assert!(all["baseURIs"].as_array().unwrap().contains(&expected));
    }
}

#[test]
fn a_bad_site_is_401_and_bad_parameters_are_400() {
    let mut cloud = Cloud::with(|config| config.strict(true));
    for (path, status) in [
        ("/api/account/1/service/idp/baseURI.json?version=1.0", 401),
        ("/api/account/91827364/service/idp/baseURI.json", 400),
        ("/api/account/91827364/service/IDP/baseURI.json?version=1.0", 400),
        ("/somewhere/else", 404),
    ] {
        assert_eq!(cloud.get(path).0, status, "{path}");
    }
}

#[test]
fn credentials_are_accepted_in_all_three_places() {
    let mut cloud = Cloud::new();
    let (id, secret) = cloud.credentials();
    let (grant, app) =
        ("grant_type=client_credentials", format!("client_id={id}&client_secret={secret}"));
    let path = "/sentinel/api/account/91827364/app/token?v=1.0";
    for (query, body) in [
        (format!("&{grant}&{app}"), String::new()),
        (format!("&{grant}"), app.clone()),
        (String::new(), format!("{grant}&{app}")),
    ] {
        let (status, answer) = cloud.form(&format!("{path}{query}"), &body);
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["token_type"], "Bearer");
        assert!(answer.get("expires_in").is_none());
    }
    let wrong = format!("{grant}&client_id={id}&client_secret=x");
    assert_eq!(cloud.form(path, &wrong).1["error"], "invalid_client");
    assert_eq!(cloud.form(path, grant).1["error"], "invalid_request");
}

#[test]
fn a_signed_url_is_good_for_its_method_and_a_minute() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ada");
    let wanted = json!({"fileSize": "3", "fileType": "PNG"});
    let (_, url) = cloud.send(&tokens, "ms.GenerateURLForUploadFile", wanted);
    let (path, query) = (&url["body"]["relativePath"], &url["body"]["queryParams"]);
    let (signature, expires) =
        (&query["temp_url_sig"], query["temp_url_expires"].as_str().unwrap());
    let target = |expires: &str| {
        let (path, signature) = (path.as_str().unwrap(), signature.as_str().unwrap());
        format!("{path}?temp_url_sig={signature}&temp_url_expires={expires}")
    };
    let mut status = |method: &str, target: &str, credential: bool, after: Duration| {
        let mut request = Request::builder().method(method).uri(target);
        if credential {
            request = request.header("authorization", "x");
        }
        let request = request.body(vec![1, 2, 3]).unwrap();
        cloud.sandbox.handle(NOW + after, &request).status().as_u16()
    };
    let (soon, late) = (Duration::from_millis(59_999), Duration::from_secs(60));
    for (method, expires, credential, after, expected) in [
        ("GET", expires, false, Duration::ZERO, 401),
        ("PUT", "1711000061", false, Duration::ZERO, 401),
        ("PUT", expires, true, Duration::ZERO, 401),
        ("PUT", expires, false, late, 401),
        ("PUT", expires, false, soon, 201),
    ] {
        let status = status(method, &target(expires), credential, after);
        assert_eq!(status, expected, "{method} {expires} {credential} {after:?}");
    }
}

#[test]
fn a_consumer_gets_a_token_for_a_valid_app_token_only() {
    let mut cloud = Cloud::new();
    let jwt = cloud.app_jwt();
    let (status, answer) = cloud.consumer(&jwt, "ring");
    assert_eq!(status, 201);
    assert!(answer["token"].as_str().unwrap().starts_with("eyJ"));
    assert_eq!(cloud.consumer("nonsense", "ring").1["body"]["errorCode"], 40102);
    assert_eq!(cloud.consumer(&jwt, "").0, 400);
    assert_eq!(cloud.consumer(&format!("Bearer {jwt}"), "ring").0, 201);
}

#[test]
fn a_token_is_of_its_account_alone() {
    let mut cloud = Cloud::new();
    let jwt = cloud.app_jwt();
    let body = json!({"ext_consumer_id": "ring"});
    for (account, status) in [("91827364", 201), ("11111111", 401)] {
        let path = format!("/api/account/{account}/consumer?v=1.0");
        let answer = cloud.post(&path, &[("authorization", &jwt)], &body);
        assert_eq!(answer.0, status, "{account}: {}", answer.1);
    }
}

#[test]
fn a_token_expires_at_the_end_of_its_lifetime() {
    let mut cloud = Cloud::new();
    let jwt = cloud.app_jwt();
    cloud.now += Duration::from_secs(3599);
    assert_eq!(cloud.consumer(&jwt, "ring").0, 201);
    cloud.now += Duration::from_secs(1);
    assert_eq!(cloud.consumer(&jwt, "ring").1["body"]["errorCode"], 40102);
}

#[test]
fn a_second_conversation_is_refused_with_mixed_codes() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let (status, opened) = cloud.open(&tokens);
    assert_eq!(status, 200);
    assert_eq!((&opened[0]["reqId"], &opened[1]["reqId"]), (&"1,".into(), &"2".into()));
    let id = opened[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    let (status, again) = cloud.open(&tokens);
    assert_eq!(status, 400);
    assert_eq!((&again[0]["code"], &again[1]["code"]), (&"OK".into(), &"BAD_REQUEST".into()));
    assert!(again[1]["body"]["msg"].as_str().unwrap().contains("already has open conversation"));
    let close = json!({"conversationId": id, "conversationField":
        [{"field": "ConversationStateField", "conversationState": "CLOSE"}]});
    assert_eq!(cloud.send(&tokens, "cm.UpdateConversationField", close).0, 200);
    assert_eq!(cloud.open(&tokens).0, 200);
}

#[test]
fn sequences_count_per_dialog_and_skip_chat_states() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    for sequence in 0..3 {
        let (_, sent) = cloud.send(&tokens, "ms.PublishEvent", text(&id, "Coo?"));
        assert_eq!(sent, json!({"code": "OK", "body": {"sequence": sequence}, "reqId": "c-17"}));
        let state = json!({"type": "ChatStateEvent", "chatState": "COMPOSING"});
        let state = json!({"dialogId": id, "event": state});
        assert_eq!(cloud.send(&tokens, "ms.PublishEvent", state).1["body"]["sequence"], 0);
    }
    let numbered = cloud.sandbox.messages().iter().filter(|one| one.sequence.is_some());
    assert_eq!(numbered.count(), 3);
}

#[test]
fn undocumented_requests_are_refused() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    let other = cloud.tokens("another");
    let publish = "ms.PublishEvent";
    assert_eq!(cloud.send(&other, publish, text(&id, "x")).0, 401);
    assert_eq!(cloud.send(&tokens, "cqm.SubscribeExConversations", json!({})).0, 400);
    assert_eq!(cloud.send(&tokens, publish, text(&id, &"x".repeat(5000))).0, 400);
    let odd = json!({"dialogId": id, "event": {"type": "ChatStateEvent", "ChatState": "ACTIVE"}});
    assert_eq!(cloud.send(&tokens, publish, odd).0, 400);
    assert_eq!(cloud.send(&tokens, publish, text("no-such", "x")).0, 400);
    let close = json!({"conversationId": id,
        "conversationField": {"field": "Stage", "conversationState": "CLOSE"}});
    cloud.send(&tokens, "cm.UpdateConversationField", close);
    let (status, closed) = cloud.send(&tokens, publish, text(&id, "x"));
    assert_eq!(status, 400);
    assert_eq!(closed["body"]["msg"], "Bad Request, Conversation is close");
}

#[test]
fn each_credential_error_has_its_own_code() {
    let mut cloud = Cloud::new();
    let (jwt, jws) = cloud.tokens("ring");
    let body = json!([]);
    for (tokens, code) in [
        (&[][..], 40105),
        (&[("authorization", "x"), ("x-lp-on-behalf", &*jws)], 40102),
        (&[("authorization", &*jwt)], 40104),
        (&[("authorization", &*jwt), ("x-lp-on-behalf", "x")], 40103),
    ] {
        let (status, answer) = cloud.post(CONVERSATION, tokens, &body);
        assert_eq!((status, &answer["body"]["errorCode"]), (401, &code.into()));
        assert_eq!(answer["kind"], "resp");
    }
}

#[test]
fn a_dropped_request_has_no_effect_a_dropped_response_has() {
    for (fault, kept) in [("send:1=drop", 0), ("send:1=drop-after", 1)] {
        let mut cloud = Cloud::new();
        let tokens = cloud.tokens("ring");
        let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
        cloud.sandbox.fault(fault.parse().unwrap());
        let body =
            json!({"kind": "req", "id": "1", "type": "ms.PublishEvent", "body": text(&id, "x")});
        let request = Request::post(SEND)
            .header("content-type", "application/json")
            .header("authorization", &tokens.0)
            .header("x-lp-on-behalf", &tokens.1)
            .body(body.to_string().into_bytes())
            .unwrap();
        assert_eq!(cloud.sandbox.reply(NOW, &request).transmission, Transmission::Dropped);
        assert_eq!(cloud.sandbox.messages().len(), kept);
        assert_eq!(cloud.sandbox.requests(Endpoint::Send), 1);
    }
}

#[test]
fn the_cloud_says_where_its_control_api_is() {
    let mut cloud = Cloud::new();
    let (status, _) = cloud.get("/_sandbox");
    assert_eq!(status, 404);
    cloud.sandbox.set_control("http://127.0.0.1:40124");
    let (status, found) = cloud.get("/_sandbox");
    assert_eq!((status, &found["control"]), (200, &"http://127.0.0.1:40124".into()));
    assert!(!format!("{:?}", cloud.sandbox.config()).contains(&cloud.credentials().1));
}

proptest! {
    #[test]
    fn no_request_panics(
        method in prop::sample::select(vec!["GET", "POST", "PUT"]),
        path in prop_oneof![
            Just(CONVERSATION.to_owned()), Just(SEND.to_owned()),
            Just("/sentinel/api/account/91827364/app/token?v=1.0".to_owned()),
            "/[a-z/%+?=.]{0,60}",
        ],
        body in prop::collection::vec(any::<u8>(), 0..200),
        json in "[\\[\\]{}\":,a-z0-9]{0,60}",
        properties: String,
    ) {
        let mut cloud = Cloud::new();
        let (jwt, jws) = cloud.tokens("ring");
        for body in [body, json.into_bytes()] {
            let request = Request::builder()
                .method(method).uri(&path)
                .header("content-type", "application/json")
                .header("authorization", &jwt).header("x-lp-on-behalf", &jws);
            let request = match http::HeaderValue::from_str(&properties) {
                Ok(properties) => request.header("client-properties", properties),
                Err(_) => request,
            };
            if let Ok(request) = request.body(body) {
                let _ = cloud.sandbox.reply(NOW, &request);
            }
        }
    }
}

#[test]
fn a_closed_conversation_is_rated_by_its_own_consumer_alone() {
    let mut cloud = Cloud::new();
    let (tokens, other) = (cloud.tokens("ring"), cloud.tokens("another"));
    let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    let update = "cm.UpdateConversationField";
    let close = json!({"conversationId": id,
        "conversationField": {"field": "Stage", "conversationState": "CLOSE"}});
    assert_eq!(cloud.send(&tokens, update, close).0, 200);
    let rate = json!({"conversationId": id, "conversationField": {"field": "CSATRate",
        "csatRate": 1, "csatResolutionConfirmation": true, "status": "FILLED"}});
    assert_eq!(cloud.send(&other, update, rate.clone()).0, 401);
    assert!(cloud.sandbox.conversations().next().unwrap().csat.is_none());
    assert_eq!(cloud.send(&tokens, update, rate).0, 200);
    assert!(cloud.sandbox.conversations().next().unwrap().csat.is_some());
}

/// An urgency, what closes a conversation, and a rating.
fn three_fields() -> [Value; 3] {
    [
        json!({"field": "TTRField", "ttrType": "URGENT", "value": 300}),
        json!({"field": "Stage", "conversationState": "CLOSE"}),
        json!({"field": "CSATRate", "csatRate": 1, "csatResolutionConfirmation": true,
            "status": "FILLED"}),
    ]
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    let [urgent, close, rate] = three_fields();
    let update = |cloud: &mut Cloud, fields: Value| {
        let body = json!({"conversationId": id, "conversationField": fields});
        let (status, _) = cloud.send(&tokens, "cm.UpdateConversationField", body);
        (status, cloud.sandbox.conversations().next().unwrap().clone())
    };
    let before = cloud.sandbox.conversations().next().unwrap().clone();
    for wrong in [
        json!({"field": "TTRField", "ttrType": "URGENT", "value": -1}),
        json!({"field": "DialogChange", "dialog": {"dialogId": "no-such", "state": "CLOSE"}}),
        json!({"field": "DialogChange", "dialog": {"state": "CLOSE"}}),
    ] {
        let (status, after) = update(&mut cloud, json!([urgent, close, wrong]));
        assert_eq!((status, after), (400, before.clone()), "{wrong}");
    }
    // Without what is wrong, each field has its effect.
    let (status, closed) = update(&mut cloud, json!([urgent, close]));
    assert_eq!((status, closed.ttr.as_str(), closed.open), (200, "URGENT", false));
    let mut wrong = rate.clone();
    wrong["csatRate"] = json!(6);
    let (status, after) = update(&mut cloud, json!([rate, wrong]));
    assert_eq!((status, after), (400, closed));
}

#[test]
fn an_open_conversation_is_not_rated_beside_other_fields() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    let [urgent, close, rate] = three_fields();
    let before = cloud.sandbox.conversations().next().unwrap().clone();
    for fields in [json!([urgent, rate]), json!([rate, urgent]), json!([close, rate])] {
        let body = json!({"conversationId": id, "conversationField": fields});
        let (status, refused) = cloud.send(&tokens, "cm.UpdateConversationField", body);
        let why = "the conversation is open: nothing to rate yet";
        assert_eq!((status, &refused["body"]["msg"]), (400, &why.into()), "{fields}");
        assert_eq!(cloud.sandbox.conversations().next(), Some(&before), "{fields}");
    }
}

#[test]
fn a_request_that_gets_garbage_or_a_page_has_no_effect() {
    for (fault, how) in
        [("send:1=garbage", Transmission::Garbage), ("send:1=html", Transmission::Whole)]
    {
        let mut cloud = Cloud::new();
        let tokens = cloud.tokens("ring");
        let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
        cloud.sandbox.fault(fault.parse().unwrap());
        let body =
            json!({"kind": "req", "id": "1", "type": "ms.PublishEvent", "body": text(&id, "x")});
        let request = Request::post(SEND)
            .header("content-type", "application/json")
            .header("authorization", &tokens.0)
            .header("x-lp-on-behalf", &tokens.1)
            .body(body.to_string().into_bytes())
            .unwrap();
        assert_eq!(cloud.sandbox.reply(NOW, &request).transmission, how, "{fault}");
        assert_eq!(cloud.sandbox.messages().len(), 0, "{fault}");
    }
}

#[test]
fn a_fault_of_a_range_is_of_one_request_at_least() {
    use lp_connector_sandbox::{Fault, FaultKind};
    for (first, last) in [(5, 1), (0, 0), (0, u64::MAX)] {
        let kind: FaultKind = "send=503".parse::<Fault>().unwrap().kind().clone();
        let fault = Fault::from_to(Endpoint::Send, first, last, kind);
        let mut cloud = Cloud::new();
        cloud.sandbox.fault(fault.clone());
        let limits: Vec<_> = cloud.sandbox.faults().iter().map(|active| active.limit()).collect();
        assert!(limits[0] >= Some(1), "{first} {last}");
        assert_eq!(fault.to_string().parse::<Fault>().unwrap().to_string(), fault.to_string());
    }
}
