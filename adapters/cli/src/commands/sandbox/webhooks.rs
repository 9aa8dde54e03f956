//! Where a sandbox posts its notifications to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use lp_connector_core::manifest;
use lp_connector_sandbox::{Signature, Webhooks, webhook_target};

use super::home::Keys;
use crate::args::Serve;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::usage::is_given;

/// How long notifications to the default endpoint are kept: the endpoint may start later.
const RETENTION: std::time::Duration = std::time::Duration::from_secs(3600);

/// The webhooks, and the address of their endpoint, if all have one on this machine.
pub(super) fn webhooks(
    args: &Serve,
    keys: Option<Keys>,
    output: &Output,
) -> Result<(Webhooks, Option<String>), Failure> {
    let signature: Signature = args.signature.parse().map_err(Failure::Usage)?;
    if let Some(url) = args.webhook.as_ref().filter(|url| webhook_target(url).is_none()) {
        return Err(Failure::usage(format!(
            "--webhook {url}: it must be an http:// URL on this machine, such as \
             http://127.0.0.1:8080/"
        )));
    }
    if let Some(file) = &args.manifest {
        let text = input::read(file, "--manifest", input::MAX_MANIFEST)?;
        let (manifest, _) = manifest::parse(&text)
            .map_err(|error| Failure::usage(format!("--manifest: {error}")))?;
        let webhooks = Webhooks::from_manifest(&manifest)
            .map_err(|reason| Failure::usage(format!("--manifest: {reason}")))?;
        let webhooks = match &args.webhook {
            Some(url) => webhooks.redirect(url),
            None => webhooks,
        };
        for line in unreachable(&webhooks) {
            output.remark(&line);
        }
        let listen = only_target(&webhooks);
        return Ok((webhooks.signature(signature), listen));
    }
    if args.max_retries.is_some_and(|times| times > 5) {
        return Err(Failure::usage("--max-retries must be from 0 to 5"));
    }
    let url = match (&args.webhook, keys) {
        (Some(url), _) => url.clone(),
        (None, Some(keys)) => format!("http://127.0.0.1:{}/", keys.webhooks()),
        (None, None) => {
            // The port is free now, and probably still when the endpoint starts.
            let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            let address = free.and_then(|free| free.local_addr());
            let address = address
                .map_err(|error| Failure::Local(format!("cannot find a free port: {error}")))?;
            format!("http://{address}/")
        }
    };
    let webhooks = Webhooks::all_at(url).signature(signature);
    let webhooks = match args.max_retries {
        Some(times) => webhooks.max_retries(times),
        None => webhooks.retention(RETENTION),
    };
    let listen = only_target(&webhooks);
    Ok((webhooks, listen))
}

/// Whether an option says anything about the webhooks.
pub(super) fn is_chosen() -> bool {
    ["--webhook", "--manifest", "--signature", "--max-retries"].into_iter().any(is_given)
}

/// The host and port that all endpoints have, for `LP_WEBHOOK_LISTEN`.
pub(super) fn only_target(webhooks: &Webhooks) -> Option<String> {
    let mut targets = webhooks.endpoints().map(|(_, url)| webhook_target(url));
    let (host, port) = targets.next()??;
    let same = targets.all(|target| target.as_ref() == Some(&(host.clone(), port)));
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    same.then(|| format!("{host}:{port}"))
}

/// What the sandbox does not post to, and which events that concerns: a line for each URL.
fn unreachable(webhooks: &Webhooks) -> Vec<String> {
    let mut events: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let foreign = webhooks.endpoints().filter(|(_, url)| webhook_target(url).is_none());
    for (event, url) in foreign {
        events.entry(url).or_default().push(event);
    }
    let all = webhooks.endpoints().count();
    let line = |(url, events): (&str, Vec<&str>)| {
        let which = match events.len() {
            some if some == all => "no notification at all".to_owned(),
            _ => format!("no {}", events.join(", ")),
        };
        format!(
            "nothing is posted to {url}, so {which}: a sandbox posts only to http:// URLs on this machine; \
             --webhook http://127.0.0.1:8080/ posts there instead"
        )
    };
    events.into_iter().map(line).collect()
}
