use lp_connector_core::connector::{Proxy, ProxyUrl};

use super::*;

fn resolver() -> CachingResolver {
    let rules = ProxyRules::new(&Proxy::None, |_| None).unwrap();
    CachingResolver::new(Arc::new(rules))
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

#[test]
fn an_address_is_used_for_thirty_seconds() {
    let resolver = resolver();
    let since = Instant::now();
    resolver.known.lock().unwrap().insert("a:80".to_owned(), (since, vec![address(1)]));
    let life = Duration::from_secs(30);
    let just_before = since + life - Duration::from_nanos(1);
    assert_eq!(resolver.remembered("a:80", just_before), Some(vec![address(1)]));
    assert_eq!(resolver.remembered("a:80", since + life), None);
}

#[test]
fn the_number_of_hosts_is_bounded_and_the_newest_is_known() {
    let resolver = resolver();
    for n in 0..1000_u16 {
        resolver.remember(&format!("h{n}:80"), &[address(n)]);
        assert_eq!(
            resolver.remembered(&format!("h{n}:80"), Instant::now()),
            Some(vec![address(n)])
        );
        assert!(resolver.known.lock().unwrap().len() <= 256);
    }
}

#[test]
fn two_hundred_and_fifty_six_hosts_are_known_at_once() {
    let resolver = resolver();
    for n in 0..256_u16 {
        resolver.remember(&format!("h{n}:80"), &[address(n)]);
    }
    assert_eq!(resolver.known.lock().unwrap().len(), 256);
}

#[test]
fn a_literal_address_behind_a_proxy_is_not_connected_to() {
    let proxy = Proxy::Url(ProxyUrl::new("http://192.0.2.9:3128"));
    let rules = ProxyRules::new(&proxy, |_| None).unwrap();
    let resolver = CachingResolver::new(Arc::new(rules));
    let uri = Uri::from_static("https://198.51.100.7:8443/");
    let found = resolver.resolve(&uri, &Config::default(), NextTimeout::default()).unwrap();
    assert_eq!(found[..], ["192.0.2.9:3128".parse::<SocketAddr>().unwrap()]);
}
