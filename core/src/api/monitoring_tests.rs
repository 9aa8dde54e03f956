use bytes::Bytes;
use http::Response;

use super::*;
use crate::id::AccountId;
use crate::seed::Seed;

fn app() -> ClientId {
    ClientId::new("0a1b").unwrap()
}

fn request<O: Operation>(operation: &O, previous: Option<&Value>) -> http::Request<Bytes> {
    let account = AccountId::new("91827364").unwrap();
    let previous = previous.map(Value::to_string);
    let context = Context::new(&account, Seed::from_bytes([7; 16]));
    let context = context.after(previous.as_deref().map(str::as_bytes));
    let Ok(request) = operation.request(&context) else { panic!("nothing to send") };
    let origin =
        crate::connector::Trust::default().resolve_trusted("va.smt.liveperson.net").unwrap();
    request.for_origin(&origin).unwrap()
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder().status(status).body(body.to_string().into()).unwrap()
}

#[test]
fn an_identity_says_whether_the_consumer_is_logged_in() {
    let cases = [(Identity::authenticated("s"), "loa1"), (Identity::unauthenticated("s"), "0")];
    for (identity, acr) in cases {
        let sent = request(&FindEngagement::new(app()).identity(identity), None);
        let body: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(body["identities"], json!([{"acr": acr, "sub": "s"}]));
    }
}

/// The examples of [protocol.md 12.1](crate::protocol#12.1).
#[test]
fn the_documented_request_is_written_and_parsed() {
    let find = FindEngagement::new(app())
        .identity(Identity::authenticated("3b0f").issuer("pigeon-post"))
        .client(json!({"deviceFamily": "MOBILE", "osVersion": "14"}))
        .entry_point("sec://loft")
        .attribute(json!({"type": "ctmrinfo", "info": {"ctype": "vip"}}));
    let sent = request(&find, None);
    assert_eq!(
        sent.uri(),
        "https://va.smt.liveperson.net/api/account/91827364/app/0a1b/engagement?v=1.1&obh=true"
    );
    let body: Value = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!(
        body,
        json!({"identities": [{"iss": "pigeon-post", "acr": "loa1", "sub": "3b0f"}],
            "clientProperties": {"deviceFamily": "MOBILE", "osVersion": "14"},
            "entryPoints": ["sec://loft"],
            "engagementAttributes": [{"type": "ctmrinfo", "info": {"ctype": "vip"}}]})
    );
    assert!(!sent.headers().contains_key("authorization"));

    let details = json!({"campaignId": 3001, "engagementId": 3002, "engagementRevision": 7,
        "contextId": "2", "connectorId": 88, "status": "expose"});
    for details in [json!([details]), details] {
        let body = json!({"sessionId": "Sxyz", "visitorId": "Vxyz", "pageId": "595933432",
            "engagementDetails": details});
        let found = find.parse(&ResponseView::new(&answer(201, &body), false)).unwrap();
        assert_eq!(found.visitor, Visitor::new("Vxyz", "Sxyz"));
        assert_eq!(found.engagements[0].campaign_id, "3001");
        assert_eq!(found.engagements[0].revision, Some(7));
        let open = found.open(ExtConsumerId::new("ada").unwrap()).unwrap();
        let sent: Value = serde_json::from_slice(request(&open, None).body()).unwrap();
        assert_eq!(
            sent[1]["body"]["campaignInfo"],
            json!({"campaignId": "3001", "engagementId": "3002"})
        );
        assert_eq!(
            sent[1]["body"]["conversationContext"],
            json!({"type": "SharkContext", "visitorId": "Vxyz", "sessionId": "Sxyz",
                "interactionContextId": "2"})
        );
    }
}

#[test]
fn a_response_without_engagements_is_empty() {
    let find = FindEngagement::new(app());
    let body = json!({"sessionId": "S", "visitorId": "V", "pageId": "1"});
    let found = find.parse(&ResponseView::new(&answer(200, &body), false)).unwrap();
    assert!(found.engagements.is_empty());
    assert!(found.open(ExtConsumerId::new("ada").unwrap()).is_none());
}

#[test]
fn a_retry_while_loading_names_the_visitor() {
    let find = FindEngagement::new(app());
    let loading = json!({"time": 1, "message": "Loading account: 91827364, vid: Vxyz",
        "internalCode": 38});
    let rejection = find.parse(&ResponseView::new(&answer(202, &loading), false)).unwrap_err();
    assert_eq!(rejection.reason, Reason::Loading);
    let again = request(&find, Some(&loading));
    assert_eq!(again.uri().query(), Some("v=1.1&vid=Vxyz&obh=true"));
    let old = json!({"message": "Loading account: 1, vid: V2", "internalCode": "20"});
    let rejection = find.parse(&ResponseView::new(&answer(500, &old), false)).unwrap_err();
    assert_eq!(rejection.reason, Reason::Loading);
    let again = request(&find, Some(&old));
    assert_eq!(again.uri().query(), Some("v=1.1&vid=V2&obh=true"));
    // The same status with another code is an ordinary failure.
    let failed = json!({"message": "internal", "internalCode": 18});
    let rejection = find.parse(&ResponseView::new(&answer(500, &failed), false)).unwrap_err();
    assert_eq!((rejection.reason, rejection.status), (Reason::Status, 500));
}

/// The example of [protocol.md 12.2](crate::protocol#12.2).
#[test]
fn the_documented_report_is_written() {
    let engagement = Engagement {
        campaign_id: "3001".into(),
        engagement_id: "3002".into(),
        revision: Some(7),
        context_id: Some("2".into()),
        conversation_id: None,
        status: None,
    };
    let report = ReportActivity::new(app())
        .visitor(Visitor::new("V", "S"))
        .page("1")
        .impression("impDisplay", &engagement);
    let sent = request(&report, None);
    assert_eq!(sent.method(), "PUT");
    assert_eq!(sent.uri().query(), Some("v=1.1&vid=V&sid=S&obh=true"));
    let body: Value = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!(
        body["engagementAttributes"],
        json!([{"type": "impDisplay", "campaign": 3001, "engId": 3002, "revision": 7,
            "eContext": [{"type": "engagementContext", "id": "2"}]}])
    );
    for body in [json!({"sessionId": "S", "visitorId": "V"}), json!({"sid": "S", "vid": "V"})] {
        let visitor = report.parse(&ResponseView::new(&answer(200, &body), false)).unwrap();
        assert_eq!(visitor, Visitor::new("V", "S"));
    }
    let account = AccountId::new("1").unwrap();
    let context = Context::new(&account, Seed::from_bytes([7; 16]));
    assert!(ReportActivity::new(app()).request(&context).is_err());
    let nobody = ReportActivity::new(app()).attribute(json!({"type": "lead"}));
    assert!(nobody.request(&context).is_err());
}

#[test]
fn prescribed_pauses_apply_unless_retries_are_off() {
    use crate::policy::RetryPolicy;
    let seconds = |policy: &RetryPolicy| -> Vec<_> {
        (0..5).filter_map(|n| policy.pause(n)).map(|pause| pause.as_secs()).collect()
    };
    let policy = RetryPolicy::documented().with_hints(FindEngagement::RETRY);
    assert_eq!(seconds(&policy), [3, 10, 30, 90]);
    assert_eq!(RetryPolicy::none().with_hints(FindEngagement::RETRY).retries(), 0);
}

#[test]
fn debug_output_redacts_the_identity() {
    let find = FindEngagement::new(app())
        .identity(Identity::authenticated("s3cr3t"))
        .attribute(json!({"type": "ctmrinfo", "info": {"userName": "s3cr3t"}}))
        .client(json!({"ipAddress": "s3cr3t"}));
    assert!(!format!("{find:?}").contains("s3cr3t"));
    let report = ReportActivity::new(app()).attribute(json!({"type": "lead", "lead": "s3cr3t"}));
    assert!(!format!("{report:?}").contains("s3cr3t"));
}

#[test]
fn the_visitor_id_is_taken_from_the_message() {
    let long = "v".repeat(256);
    for (message, repeated) in [
        ("loading, vid: abc, wait".to_owned(), Some("abc".to_owned())),
        (format!("vid:{long}"), Some(long.clone())),
        (format!("vid:{long}v"), None),
        ("vid: ".to_owned(), None),
        ("loading".to_owned(), None),
    ] {
        let body = json!({"internalCode": 20, "message": message});
        let sent = request(&FindEngagement::new(app()), Some(&body));
        let query = sent.uri().query().unwrap();
        let vid = query.split('&').find_map(|pair| pair.strip_prefix("vid="));
        assert_eq!(vid.map(str::to_owned), repeated, "{message}");
    }
}

#[test]
fn loading_is_recognised_by_status_and_code() {
    let find = FindEngagement::new(app());
    for (status, code, loading) in [(202, 38, true), (500, 20, true), (500, 21, false)] {
        let body = json!({"internalCode": code, "message": "vid: abc"});
        let rejection = find.parse(&ResponseView::new(&answer(status, &body), false)).unwrap_err();
        assert_eq!(rejection.reason == Reason::Loading, loading, "{status} {code}");
    }
}

#[test]
fn a_visitor_that_is_given_stays_while_loading() {
    let find = FindEngagement::new(app()).visitor(Visitor::new("V", "S"));
    let loading = json!({"message": "Loading account: 1, vid: Vxyz", "internalCode": 38});
    let again = request(&find, Some(&loading));
    assert_eq!(again.uri().query(), Some("v=1.1&vid=V&sid=S&obh=true"));
}

#[test]
fn a_visitor_is_read_by_either_name() {
    for document in [
        json!({"visitorId": "V", "sessionId": "S"}),
        json!({"vid": "V", "sid": "S"}),
        json!({"visitorId": null, "vid": "V", "sessionId": null, "sid": "S"}),
    ] {
        let read = visitor(&document);
        let ids = (read.visitor_id.as_deref(), read.session_id.as_deref());
        assert_eq!(ids, (Some("V"), Some("S")), "{document}");
    }
}

#[test]
fn a_conversation_opens_from_the_first_engagement() {
    let body = json!({"visitorId": "V", "sessionId": "S", "engagementDetails": [
        {"campaignId": 1, "engagementId": 2, "contextId": "a"},
        {"campaignId": 3, "engagementId": 4, "contextId": "b"}]});
    let find = FindEngagement::new(app());
    let found = find.parse(&ResponseView::new(&answer(200, &body), false)).unwrap();
    let open = found.open(ExtConsumerId::new("ada").unwrap()).unwrap();
    let sent: Value = serde_json::from_slice(request(&open, None).body()).unwrap();
    let opened = &sent[1]["body"];
    assert_eq!(opened["campaignInfo"], json!({"campaignId": "1", "engagementId": "2"}));
    assert_eq!(opened["conversationContext"]["interactionContextId"], "a");
}

#[test]
fn a_report_needs_a_visitor_or_an_identity() {
    let report = || ReportActivity::new(app()).attribute(json!({"type": "lead"}));
    let sent = request(&report().identity(Identity::authenticated("s")), None);
    assert_eq!(sent.uri().query(), Some("v=1.1&obh=true"));
    let sent = request(&report().visitor(Visitor::new("V", "S")), None);
    assert_eq!(sent.uri().query(), Some("v=1.1&vid=V&sid=S&obh=true"));
}
