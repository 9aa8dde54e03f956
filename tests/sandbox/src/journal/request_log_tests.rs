//! The request log beside a list that forgets nothing.

use proptest::prelude::*;

use super::*;

fn exchange(endpoint: Endpoint, status: Option<u16>, body: usize) -> Exchange {
    Exchange {
        number: 0,
        at: Duration::ZERO,
        way: if endpoint == Endpoint::Webhook { Way::Out } else { Way::In },
        endpoint: Some(endpoint),
        kind: None,
        method: Method::POST,
        target: "/".repeat(body / 4),
        request: Half { headers: HeaderMap::new(), body: KeptBody::of(&vec![b'x'; body], 50) },
        status,
        response: Half::default(),
        micros: 0,
        connection: None,
        faults: if status == Some(503) { vec![7] } else { Vec::new() },
        conversation: Some(format!("{}-id", status.unwrap_or(0))),
        repeat: None,
        transmission: Transmission::Whole,
        notification: None,
        attempt: None,
        replay: false,
        messages: None,
        notifications: None,
    }
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let endpoint = prop::sample::select(vec![Endpoint::Send, Endpoint::Token, Endpoint::Webhook]);
    let status = prop::sample::select(vec![None, Some(200), Some(201), Some(503)]);
    (endpoint, status, 0usize..100)
        .prop_map(|(endpoint, status, body)| exchange(endpoint, status, body))
}

fn any_filter() -> impl Strategy<Value = WireFilter> {
    let endpoint = prop::sample::select(vec![None, Some(Endpoint::Send)]);
    let status = prop::sample::select(vec![
        None,
        Some(StatusFilter::Is(200)),
        Some(StatusFilter::Class(2)),
        Some(StatusFilter::None),
    ]);
    let conversation = prop::sample::select(vec![None, Some("2".to_owned()), Some("x".to_owned())]);
    let fault = prop::sample::select(vec![
        None,
        Some(FaultFilter::Any),
        Some(FaultFilter::Number(7)),
        Some(FaultFilter::Number(8)),
    ]);
    let way = prop::sample::select(vec![None, Some(Way::In), Some(Way::Out)]);
    (endpoint, status, conversation, fault, way).prop_map(
        |(endpoint, status, conversation, fault, way)| WireFilter {
            endpoint,
            status,
            conversation,
            fault,
            way,
        },
    )
}

/// Each condition in words of its own.
fn passes(filter: &WireFilter, one: &Exchange) -> bool {
    if filter.endpoint.is_some() && filter.endpoint != one.endpoint {
        return false;
    }
    if filter.way.is_some_and(|way| way != one.way) {
        return false;
    }
    if filter
        .conversation
        .clone()
        .is_some_and(|start| !one.conversation.clone().unwrap_or_default().starts_with(&start))
    {
        return false;
    }
    let status = match (filter.status, one.status) {
        (None, _) | (Some(StatusFilter::None), None) => true,
        (Some(StatusFilter::Is(a)), Some(b)) => a == b,
        (Some(StatusFilter::Class(a)), Some(b)) => b.to_string().starts_with(&a.to_string()),
        _ => false,
    };
    let fault = match filter.fault {
        None => true,
        Some(FaultFilter::Any) => one.faults == [7],
        Some(FaultFilter::Number(number)) => one.faults == [number],
    };
    status && fault
}

proptest! {
    #[test]
    fn it_keeps_the_newest_within_its_bounds(
        exchanges in 1usize..10,
        body_bytes in 0usize..300,
        pushed in prop::collection::vec(any_exchange(), 0..40),
        filter in any_filter(),
        before in prop::option::of(0u64..45),
        after in prop::option::of(0u64..45),
    ) {
        let limits = Limits { exchanges, body_bytes, body: 50, ..Limits::default() };
        let mut log = RequestLog::new(limits);
        let mut naive: Vec<Exchange> = Vec::new();
        // What is kept: number, size without and with headers and body.
        let mut model: Vec<(u64, usize, usize)> = Vec::new();
        for exchange in pushed {
            let number = log.push(exchange.clone());
            naive.push(Exchange { number, ..exchange.clone() });
            prop_assert_eq!(number, naive.len() as u64);
            let whole = exchange.size();
            model.push((number, whole - exchange.request.body.bytes.len(), whole));
            if model.len() > exchanges {
                model.remove(0);
            }
            let total = |model: &[(u64, usize, usize)]| -> usize {
                model.iter().map(|(.., size)| size).sum()
            };
            for place in 0..model.len() {
                if total(&model) > body_bytes {
                    model[place].2 = model[place].1;
                }
            }
            while total(&model) > body_bytes {
                model.remove(0);
            }
            prop_assert!(log.len() <= exchanges && log.size() <= body_bytes);
            let kept: usize = log.exchanges.iter().map(Exchange::size).sum();
            prop_assert_eq!(log.size(), kept);
        }
        let first = naive.len() - log.len();
        let numbers: Vec<u64> = log.exchanges.iter().map(|one| one.number).collect();
        prop_assert_eq!(numbers, model.iter().map(|(number, ..)| *number).collect::<Vec<_>>());
        // Of what is kept, a body is whole or gone, and those that are gone are the oldest.
        let gone: Vec<bool> = log.exchanges.iter().map(|one| {
            one.request.body.bytes.is_empty() && one.request.body.total > 0
        }).collect();
        let sizes: Vec<usize> =
            naive[first..].iter().map(|one| one.request.body.bytes.len()).collect();
        for (place, one) in log.exchanges.iter().enumerate() {
            prop_assert_eq!(one.number, (first + place + 1) as u64);
            prop_assert!(gone[place] || one.request.body.bytes.len() == sizes[place]);
            prop_assert!(!gone[place] || gone[..place].iter().zip(&sizes).all(|(gone, size)| *gone || *size == 0));
        }
        let found: Vec<u64> = log.find(before, after, &filter).map(|one| one.number).collect();
        let expected: Vec<u64> = naive[first..]
            .iter()
            .rev()
            .filter(|one| before.is_none_or(|before| one.number < before))
            .filter(|one| after.is_none_or(|after| one.number > after))
            .filter(|one| passes(&filter, one))
            .map(|one| one.number)
            .collect();
        prop_assert_eq!(found, expected);
        for number in 0..50 {
            let expected = (number as usize) > first && number as usize <= naive.len();
            prop_assert_eq!(log.get(number).map(|one| one.number), expected.then_some(number));
        }
    }
}

#[test]
fn a_status_filter_is_a_status_a_class_or_none() {
    for (text, filter) in [
        ("503", Some(StatusFilter::Is(503))),
        ("5xx", Some(StatusFilter::Class(5))),
        ("none", Some(StatusFilter::None)),
        ("xx", None),
        ("55xx", None),
        ("+5xx", None),
        ("50", None),
        ("+50", None),
        ("", None),
    ] {
        assert_eq!(text.parse().ok(), filter, "{text}");
    }
}
