//! Settings in options of the command line.

use std::path::PathBuf;

use super::GATEWAY;
use super::given::{self, Given, Raw};
use super::problem::Problems;
use super::source::Source;
use crate::args::Global;
use crate::commands::bridge::args::Options;
use crate::usage;

/// Adds what the options say. Returns whether `--deliver` made a gateway.
pub(super) fn add(
    options: &Options,
    global: &Global,
    given: &mut Vec<Given>,
    problems: &mut Problems,
) -> bool {
    let gateways = given::names(given, &["gateway"]);
    let mut set = |path: &str, flag: &'static str, value: Option<String>| {
        if let Some(value) = value {
            let (path, raw) = (path.to_owned(), Raw::Text(value));
            given.push(Given { path, raw, source: Source::Flag(flag) });
        }
    };
    let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    set("store", "--store", options.store.clone());
    set("listen.webhooks", "--listen-webhooks", options.listen_webhooks.clone());
    set("listen.gateways", "--listen-gateways", options.listen_gateways.clone());
    set("listen.operations", "--listen-operations", options.listen_operations.clone());
    set("log.format", "--log-format", options.log_format.clone());
    set("log.level", "--log-level", options.log_level.clone());
    let verbose = ["debug", "trace"].get(usize::from(global.verbose.saturating_sub(1)).min(1));
    if global.verbose > 0 && options.log_level.is_none() {
        set("log.level", "--verbose", verbose.map(|level| (*level).to_owned()));
    }
    // The others set them by variables too, which are a layer of their own here.
    let is_given = |flag: &&str| usage::is_given(flag);
    for (path, flag, value) in [
        ("liveperson.account", "--account", global.account.clone()),
        ("liveperson.client_id", "--client-id", global.client_id.clone()),
        ("liveperson.client_secret_file", "--client-secret-file", text(&global.client_secret_file)),
        ("liveperson.domain_api", "--domain-api", Some(global.domain_api.clone())),
        ("liveperson.ca_file", "--ca-file", text(&global.ca_file)),
    ] {
        set(path, flag, value.filter(|_| is_given(&flag)));
    }
    if !global.trust_suffix.is_empty() {
        set("liveperson.trust_suffixes", "--trust-suffix", Some(global.trust_suffix.join(",")));
    }
    let Some(url) = options.deliver.clone() else { return false };
    match gateways.as_slice() {
        [] => {
            set(&format!("gateway.{GATEWAY}.deliver.url"), "--deliver", Some(url));
            true
        }
        [one] => {
            set(&format!("gateway.{one}.deliver.url"), "--deliver", Some(url));
            false
        }
        _ => {
            let source = Source::Flag("--deliver");
            let reason = "there are several gateways: set gateway.NAME.deliver.url in the file";
            problems.error("", Some(&source), reason);
            false
        }
    }
}
