//! The visitors of the Monitoring API, and what is reported of them.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::{account, consumer, context};
use crate::api::{
    Engagement, FindEngagement, InvalidInput, Operation, Reason, ReportActivity, ResponseView,
    Visitor,
};
use crate::connector::Trust;
use crate::id::ClientId;

/// The response as one to both operations: each names the same visitor, and what is found can be reported.
pub(super) fn visits(response: &Response<Bytes>) {
    let answer = ResponseView::new(response, false);
    let app = ClientId::new("0a1b").expect("a good id");
    let find = FindEngagement::new(app.clone());
    let report = ReportActivity::new(app);
    match (find.parse(&answer), report.parse(&answer)) {
        (Ok(found), Ok(visitor)) => {
            assert_eq!(found.visitor, visitor);
            assert_eq!(found.open(consumer()).is_some(), !found.engagements.is_empty());
            for engagement in &found.engagements {
                impression(report.clone().visitor(visitor.clone()), &visitor, engagement);
            }
        }
        (Err(rejection), Err(same)) => {
            assert_eq!(rejection, same);
            if rejection.reason == Reason::Loading {
                loading(&find, response.body());
            }
        }
        _ => panic!("one of both reads it"),
    }
}

/// An impression names the engagement: its ids are numbers where they can be.
fn impression(report: ReportActivity, visitor: &Visitor, engagement: &Engagement) {
    let written = request(&report.impression("impDisplay", engagement), None);
    let Some(id) = &visitor.visitor_id else {
        let refused = written.err().map(|refused| refused.to_string()).unwrap_or_default();
        assert!(refused.contains("the visitor's id"), "a report of nobody: {refused}");
        return;
    };
    let (query, body) = match written {
        Ok(written) => written,
        Err(refused) => {
            assert!(refused.to_string().contains("too long for a URL"), "{refused}");
            return;
        }
    };
    assert_eq!(named(&query, "vid"), Some(id.as_str()));
    assert_eq!(named(&query, "sid"), visitor.session_id.as_deref());
    let event = body.pointer("/engagementAttributes/0").expect("an event");
    for (name, id) in [("campaign", &engagement.campaign_id), ("engId", &engagement.engagement_id)]
    {
        match event.get(name).expect("an id") {
            Value::String(text) => assert!(text == id && id.parse::<u64>().is_err(), "{id}"),
            number => assert_eq!(number.as_u64(), id.parse().ok()),
        }
    }
    assert_eq!(event.get("revision").and_then(Value::as_u64), engagement.revision);
    let context = event.pointer("/eContext/0/id").and_then(Value::as_str);
    assert_eq!(context, engagement.context_id.as_deref());
}

/// The next attempt names the visitor that the service named while it loaded, unless the program knows one.
fn loading(find: &FindEngagement, body: &[u8]) {
    let Ok((query, _)) = request(find, Some(body)) else { panic!("it cannot be sent again") };
    let document = crate::json::parse(body).expect("what was read");
    let message = document.tape.root().get("message").and_then(|text| text.as_str());
    let given = message.and_then(|text| text.rsplit_once("vid:")).map(|(_, id)| id.trim());
    match named(&query, "vid") {
        Some(id) => {
            assert!((1..=256).contains(&id.len()) && !id.contains([' ', ',', ';']), "{id}");
            assert!(given.is_some_and(|given| given.starts_with(id)), "{id} is not named");
        }
        None => {
            let is_usable = |given: &str| {
                given.len() <= 256 && given.starts_with(|first: char| first.is_alphanumeric())
            };
            assert!(!given.is_some_and(is_usable), "the visitor is forgotten");
        }
    }
    let known = find.clone().visitor(Visitor::new("V", "S"));
    let Ok((query, _)) = request(&known, Some(body)) else { panic!("it cannot be sent again") };
    assert_eq!((named(&query, "vid"), named(&query, "sid")), (Some("V"), Some("S")));
}

type Query = Vec<(String, String)>;

/// The query and the body of a request, after a rejection with this body.
fn request(
    operation: &impl Operation,
    previous: Option<&[u8]>,
) -> Result<(Query, Value), InvalidInput> {
    let account = account();
    let context = context(&account).after(previous);
    let origin = Trust::default().resolve_trusted("smt.liveperson.net").expect("a trusted host");
    let request = operation.request(&context)?.for_origin(&origin)?;
    let query = request.uri().query().unwrap_or_default();
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Ok((query, serde_json::from_slice(request.body()).expect("JSON")))
}

fn named<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    let mut found = query.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value);
    let first = found.next();
    assert!(found.next().is_none(), "{name} is named twice");
    first
}
