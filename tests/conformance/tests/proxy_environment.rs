//! What the environment says of proxies, through each adapter. A test cannot change its own environment, so
//! each case is a process of its own: this program again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::process::Command;
use std::time::Duration;

use lp_connector_conformance::{
    Adapter, AsyncStd, Policy, RawProxy, Smol, Tokio, TokioCurrentThread, Ureq,
};
use lp_connector_core::api::{ResolveDomain, Service};
use lp_connector_core::connector::{Config, Trust};
use lp_connector_core::id::AccountId;
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::{Server, ServerConfig};

/// Where the client of a case sends to; set in the process of a case alone.
const DOMAIN_API: &str = "LP_DOMAIN_API";

/// Does not resolve.
const REMOTE: &str = "https://cloud.sandbox.test";

/// Runs each case in a process of its own, or this one.
fn environment_is_followed<A: Adapter>(test: &str) {
    if let Ok(domain_api) = std::env::var(DOMAIN_API) {
        return report::<A>(&domain_api);
    }
    let cloud = Server::start(ServerConfig::new()).unwrap();
    let here = cloud.base_url();
    let proxy = RawProxy::start(Policy::Refuse(407));
    let url = proxy.url("");
    // What is set, where the call goes, its end, and whether the proxy was asked.
    for (environment, to, end, proxied) in [
        (&[("https_proxy", &*url)][..], REMOTE, "proxy", true),
        (&[("HTTPS_PROXY", &url)], REMOTE, "proxy", true),
        (&[("all_proxy", &url)], REMOTE, "proxy", true),
        (&[("ALL_PROXY", &url)], REMOTE, "proxy", true),
        (&[("https_proxy", ""), ("ALL_PROXY", &url)], REMOTE, "proxy", true),
        (&[("https_proxy", &url), ("no_proxy", "other.test")], REMOTE, "proxy", true),
        (&[("https_proxy", &url), ("no_proxy", "sandbox.test")], REMOTE, "unavailable", false),
        (&[("all_proxy", &url), ("NO_PROXY", "*.test:443 x")], REMOTE, "unavailable", false),
        (&[("http_proxy", &url), ("HTTP_PROXY", &url)], REMOTE, "unavailable", false),
        (&[("https_proxy", "http://127.0.0.1")], REMOTE, "configuration", false),
        (&[("all_proxy", "::::")], REMOTE, "configuration", false),
        (&[("https_proxy", &url), ("all_proxy", &url)], &here, "done", false),
        (&[("http_proxy", &url), ("HTTP_PROXY", &url)], &here, "done", false),
        (&[("http_proxy", "::::"), ("all_proxy", "::::")], &here, "done", false),
    ] {
        let before = proxy.asked().len();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.env_clear().env(DOMAIN_API, to).envs(environment.iter().copied());
        let ran = child.args(["--exact", test, "--nocapture"]).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        let line = said.lines().find_map(|line| line.strip_prefix("end: "));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        assert!(line.starts_with(end), "{environment:?}: {line}");
        assert_eq!(proxy.asked().len() > before, proxied, "{environment:?}");
        if end == "configuration" {
            assert!(line.contains(&format!("the proxy of {} ", environment[0].0)), "{line}");
        }
    }
}

/// Makes a call, and prints how it ends.
fn report<A: Adapter>(domain_api: &str) {
    let config = Config::new(AccountId::new("91827364").unwrap())
        .trust(Trust::new(domain_api, ["liveperson.net"]).unwrap())
        .attempt_timeout(Duration::from_millis(500))
        .retry(RetryPolicy::none());
    println!();
    match A::new(config).unwrap().call(ResolveDomain::new(Service::IDP)) {
        Ok(_) => println!("end: done"),
        Err(error) => println!("end: {} {error}", error.kind().name()),
    }
}

#[test]
fn ureq() {
    environment_is_followed::<Ureq>("ureq");
}

#[test]
fn tokio() {
    environment_is_followed::<Tokio>("tokio");
}

#[test]
fn tokio_current_thread() {
    environment_is_followed::<TokioCurrentThread>("tokio_current_thread");
}

#[test]
fn async_std() {
    environment_is_followed::<AsyncStd>("async_std");
}

#[test]
fn smol() {
    environment_is_followed::<Smol>("smol");
}
