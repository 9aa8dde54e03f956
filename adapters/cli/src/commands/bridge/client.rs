//! A client of a bridge's operations.

use std::time::Duration;

use lp_connector_core::secret::Secret;
use serde_json::Value;
use ureq::http::{Method, Request};
use url::Url;

use super::args::Operations;
use super::config;
use super::rows::line;
use crate::args::Global;
use crate::failure::Failure;
use crate::input::{self, SecretKind};
use crate::setup;
use crate::usage;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most things that are asked for at a time.
const PAGE: usize = 1000;

const TOKEN: &str = "LP_BRIDGE_OPS_TOKEN";

/// A client of a bridge's operations.
pub(super) struct Client {
    base: Url,
    agent: ureq::Agent,
    token: Option<Secret>,
}

impl Client {
    pub(super) fn new(at: &Operations, global: &Global) -> Result<Self, Failure> {
        let client = Self::without_token(at, global)?;
        let token = match &at.ops_token_file {
            Some(file) => {
                let place = usage::place("--ops-token-file", "LP_BRIDGE_OPS_TOKEN_FILE");
                input::secret_in(file, &place, SecretKind::App)?
            }
            None => input::secret_of(TOKEN, SecretKind::App)?.ok_or_else(|| {
                Failure::usage(format!("the token is missing: set {TOKEN} or --ops-token-file"))
            })?,
        };
        Ok(Self { token: Some(token), ..client })
    }

    /// A client for what needs no token.
    pub(super) fn without_token(at: &Operations, global: &Global) -> Result<Self, Failure> {
        let place = usage::place("--ops", "LP_BRIDGE_OPS");
        let place =
            if std::env::var_os("LP_BRIDGE_OPS").is_some() { place } else { "--ops".to_owned() };
        let wrong = |why: &str| Failure::usage(format!("{place}: {:?} {why}", at.ops));
        let base = Url::parse(&at.ops).map_err(|_| wrong("is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(wrong("is no URL that begins with http:// or https://"));
        }
        if config::is_plain_elsewhere(&at.ops) {
            return Err(wrong(
                "would send the token in the clear: https:// is needed for another machine",
            ));
        }
        let agent = setup::direct(setup::tls(global)?, TIMEOUT);
        Ok(Self { base, agent: agent.into(), token: None })
    }

    /// Asks, and returns the answer's JSON.
    pub(super) fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["ops", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (status, answer) = self.ask(method, &url, body)?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let member = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut why = match member("detail") {
            "" => "it is no bridge's answer".to_owned(),
            detail => detail.to_owned(),
        };
        let places = answer.get("errors").and_then(Value::as_array);
        for place in places.into_iter().flatten() {
            why.push_str(&format!("; {}", line(place, &["pointer", "detail"])));
        }
        let hint = if matches!(status, 401 | 403) {
            " (--ops-token-file, LP_BRIDGE_OPS_TOKEN)"
        } else {
            ""
        };
        Err(Failure::Local(format!("the bridge refuses it with status {status}: {why}{hint}")))
    }

    /// The parts of readiness.
    pub(super) fn readiness(&self) -> Result<Value, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("readyz");
        }
        let (status, parts) = self.ask(Method::GET, &url, None)?;
        match parts.get("ready") {
            Some(_) => Ok(parts),
            None => Err(Failure::Local(format!("status {status}: it is no bridge's answer"))),
        }
    }

    /// Asks, and returns the status, and the answer's JSON if it is any.
    fn ask(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        let request = request.body(body.map(Value::to_string).unwrap_or_default());
        let request =
            request.map_err(|_| Failure::usage("the token, or a name, cannot be sent"))?;
        let unreachable = |error: ureq::Error| {
            Failure::Local(format!(
                "no bridge answers at {}: {error} (--ops, LP_BRIDGE_OPS)",
                self.base.origin().ascii_serialization()
            ))
        };
        let mut answer = self.agent.run(request).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Fails if there is no gateway of the name that a list is wanted for: it would be empty, and say nothing.
    pub(super) fn check_gateway(&self, name: Option<&String>) -> Result<(), Failure> {
        let Some(name) = name else { return Ok(()) };
        let status = self.send(Method::GET, &["status"], &[], None)?;
        let gateways = status.get("gateways").and_then(Value::as_array).into_iter().flatten();
        let names: Vec<&str> =
            gateways.filter_map(|gateway| gateway.get("name").and_then(Value::as_str)).collect();
        if names.contains(&name.as_str()) {
            return Ok(());
        }
        let known = names.join(", ");
        Err(Failure::usage(format!("--gateway: there is no gateway {name:?}; there are {known}")))
    }

    /// Shows up to `limit` things of a list, page after page.
    pub(super) fn list(
        &self,
        path: &[&str],
        query: &[(&'static str, String)],
        limit: u32,
        mut show: impl FnMut(&Value),
    ) -> Result<(), Failure> {
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut after: Option<String> = None;
        while left > 0 {
            let mut query = query.to_vec();
            query.push(("limit", left.min(PAGE).to_string()));
            query.extend(after.take().map(|cursor| ("after", cursor)));
            let page = self.send(Method::GET, path, &query, None)?;
            let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice);
            for item in items.unwrap_or_default().iter().take(left) {
                show(item);
                left -= 1;
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
