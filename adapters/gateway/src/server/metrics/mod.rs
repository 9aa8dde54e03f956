//! Metrics, in Prometheus' text format 0.0.4.
//!
//! The families are fixed: see the table in `families`. No label holds a consumer, a conversation, a URL or the text of
//! an error. Every series whose labels are known from the start is there from the start, at 0.

#[cfg(test)]
mod call_tests;
mod families;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use lp_connector_core::api::Endpoint;
use lp_connector_core::connector::{CallEvent, EventKind};
use lp_connector_core::error::Stage;

use self::families::FAMILIES;
pub(super) use self::families::Metric;

/// What all names begin with.
const PREFIX: &str = "lp_bridge_";

/// The most series of a family with open labels.
const MAX_SERIES: usize = 1000;

struct Family {
    name: &'static str,
    kind: Kind,
    labels: &'static [Label],
    help: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    /// With the upper edges of its buckets.
    Histogram(&'static [f64]),
}

/// A label: its name, and what it may be.
struct Label(&'static str, Values);

enum Values {
    These(&'static [&'static str]),
    /// The configured gateways.
    Gateways,
    /// The configured gateways, and `unknown`.
    GatewaysAndUnknown,
    /// Not known from the start.
    Open,
}

/// The gateway of what belongs to none that is known.
pub(super) const UNKNOWN: &str = "unknown";

#[derive(Debug, Default)]
struct Series {
    /// The value; of a histogram, the sum.
    value: f64,
    /// For each bucket, and the last for all: how many were observed in it.
    buckets: Vec<u64>,
}

/// The metrics of a server.
#[derive(Debug)]
pub(super) struct Metrics(Vec<Mutex<BTreeMap<Vec<String>, Series>>>);

impl Metrics {
    /// All series of these gateways, at 0.
    pub(super) fn new(gateways: &[String]) -> Self {
        let family = |family: &Family| {
            let mut all = vec![Vec::new()];
            for Label(_, values) in family.labels {
                let values: Vec<String> = match values {
                    Values::These(these) => these.iter().map(|&one| one.to_owned()).collect(),
                    Values::Gateways => gateways.to_vec(),
                    Values::GatewaysAndUnknown => {
                        gateways.iter().cloned().chain([UNKNOWN.to_owned()]).collect()
                    }
                    Values::Open => Vec::new(),
                };
                let with = |before: &Vec<String>| {
                    let before = before.clone();
                    values.clone().into_iter().map(move |one| [before.clone(), vec![one]].concat())
                };
                all = all.iter().flat_map(with).collect();
            }
            Mutex::new(all.into_iter().map(|labels| (labels, Series::new(family.kind))).collect())
        };
        Self(FAMILIES.iter().map(family).collect())
    }

    /// Adds 1 to a counter.
    pub(super) fn count(&self, metric: Metric, labels: &[&str]) {
        self.add(metric, labels, 1.0);
    }

    /// Adds to a counter.
    pub(super) fn add(&self, metric: Metric, labels: &[&str], more: f64) {
        self.change(metric, labels, |series, _| series.value += more);
    }

    /// Sets a gauge.
    pub(super) fn set(&self, metric: Metric, labels: &[&str], value: f64) {
        self.change(metric, labels, |series, _| series.value = value);
    }

    /// Sets all series of a gauge to 0.
    pub(super) fn clear(&self, metric: Metric) {
        let Some(all) = self.0.get(metric as usize) else { return };
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.values_mut().for_each(|series| series.value = 0.0);
    }

    /// The series of a metric with at most one label, by its value, that are not 0.
    pub(super) fn by_label(&self, metric: Metric) -> BTreeMap<String, f64> {
        let Some(all) = self.0.get(metric as usize) else { return BTreeMap::new() };
        let all = all.lock().unwrap_or_else(PoisonError::into_inner);
        let label = |labels: &Vec<String>| labels.first().cloned().unwrap_or_default();
        let some = all.iter().filter(|(_, series)| series.value != 0.0);
        some.map(|(labels, series)| (label(labels), series.value)).collect()
    }

    /// Sets a gauge to the present time, in seconds since 1970.
    pub(super) fn set_to_now(&self, metric: Metric, labels: &[&str]) {
        self.set(metric, labels, unix_seconds(SystemTime::now()));
    }

    /// Observes a duration.
    pub(super) fn observe(&self, metric: Metric, labels: &[&str], time: Duration) {
        let seconds = time.as_secs_f64();
        self.change(metric, labels, |series, kind| {
            series.value += seconds;
            let Kind::Histogram(edges) = kind else { return };
            let within = edges.iter().position(|edge| seconds <= *edge).unwrap_or(edges.len());
            if let Some(bucket) = series.buckets.get_mut(within) {
                *bucket += 1;
            }
        });
    }

    /// Records what happened in a call to LivePerson.
    pub(super) fn record_call(&self, event: &CallEvent) {
        // A call fetches tokens and hosts too: those requests are not its own.
        let operation = match event.stage {
            Stage::Operation => event.operation,
            stage => stage.name(),
        };
        match &event.kind {
            EventKind::Answered { status, elapsed, .. } => {
                let class = format!("{}xx", status / 100);
                self.count(Metric::ApiRequests, &[operation, &class]);
                self.observe(Metric::ApiDuration, &[operation], *elapsed);
                if matches!(event.stage, Stage::AppJwt | Stage::ConsumerJws) && status / 100 == 2 {
                    self.count(Metric::TokenRenewals, &["renewed"]);
                }
            }
            EventKind::NoResponse { .. } => {
                self.count(Metric::ApiRequests, &[operation, "no_response"]);
            }
            EventKind::RefreshingToken { .. } => {
                self.count(Metric::TokenRenewals, &["rejected"]);
            }
            EventKind::RefreshDeferred { .. } => {
                self.count(Metric::TokenRenewals, &["deferred"]);
            }
            EventKind::TokenThrottled { .. } => {
                self.count(Metric::TokenRenewals, &["throttled"]);
            }
            EventKind::CircuitOpened { endpoint, .. } => {
                self.set(Metric::ApiCircuitOpen, &[&service(endpoint)], 1.0);
            }
            EventKind::CircuitClosed { endpoint, .. } => {
                self.set(Metric::ApiCircuitOpen, &[&service(endpoint)], 0.0);
            }
            _ => {}
        }
    }

    fn change(&self, metric: Metric, labels: &[&str], change: impl FnOnce(&mut Series, Kind)) {
        let index = metric as usize;
        let (Some(family), Some(all)) = (FAMILIES.get(index), self.0.get(index)) else { return };
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        let labels: Vec<String> = labels.iter().map(|&one| one.to_owned()).collect();
        if all.len() >= MAX_SERIES && !all.contains_key(&labels) {
            return;
        }
        change(all.entry(labels).or_insert_with(|| Series::new(family.kind)), family.kind);
    }

    /// All of them, as text.
    pub(super) fn render(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        for (family, all) in FAMILIES.iter().zip(&self.0) {
            let all = all.lock().unwrap_or_else(PoisonError::into_inner);
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let (name, help) = (family.name, family.help);
            // Writing to a string does not fail.
            let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
            for (labels, series) in &*all {
                series.render(&mut text, family, labels);
            }
        }
        text
    }
}

impl Series {
    fn new(kind: Kind) -> Self {
        let buckets = match kind {
            Kind::Histogram(edges) => vec![0; edges.len() + 1],
            Kind::Counter | Kind::Gauge => Vec::new(),
        };
        Self { value: 0.0, buckets }
    }

    fn render(&self, text: &mut String, family: &Family, labels: &[String]) {
        let named: Vec<String> = family
            .labels
            .iter()
            .zip(labels)
            .map(|(Label(name, _), value)| format!("{name}=\"{}\"", escape(value)))
            .collect();
        let braced = |more: Option<String>| {
            let all: Vec<String> = named.iter().cloned().chain(more).collect();
            if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
        };
        let name = family.name;
        let Kind::Histogram(edges) = family.kind else {
            let _ = writeln!(text, "{PREFIX}{name}{} {}", braced(None), self.value);
            return;
        };
        let mut count = 0;
        let infinity = [f64::INFINITY];
        for (edge, more) in edges.iter().chain(&infinity).zip(&self.buckets) {
            count += more;
            let edge = if edge.is_finite() { edge.to_string() } else { "+Inf".to_owned() };
            let labels = braced(Some(format!("le=\"{edge}\"")));
            let _ = writeln!(text, "{PREFIX}{name}_bucket{labels} {count}");
        }
        let labels = braced(None);
        let _ = writeln!(text, "{PREFIX}{name}_sum{labels} {}", self.value);
        let _ = writeln!(text, "{PREFIX}{name}_count{labels} {count}");
    }
}

pub(super) fn service(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Service(service) => service.to_string(),
        _ => "domain_api".to_owned(),
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Seconds since 1970.
pub(super) fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(&["sms".to_owned(), "chat".to_owned()])
    }

    #[test]
    fn series_of_a_gateway_start_at_0() {
        let text = metrics().render();
        for line in [
            "lp_bridge_accepts_total{gateway=\"sms\",kind=\"message\",result=\"accepted\"} 0\n",
            "lp_bridge_accepts_total{gateway=\"unknown\",kind=\"message\",result=\"unauthorized\"} 0\n",
            "lp_bridge_deliveries_total{gateway=\"chat\",type=\"message.status\",outcome=\"taken\"} 0\n",
            "lp_bridge_gateway_up{gateway=\"sms\"} 0\n",
            "lp_bridge_delivery_duration_seconds_bucket{gateway=\"sms\",le=\"+Inf\"} 0\n",
            "lp_bridge_webhooks_total{result=\"stored\"} 0\n",
            "lp_bridge_store_up 0\n",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }

    #[test]
    fn buckets_are_cumulative_and_include_their_edge() {
        let metrics = metrics();
        for millis in [5, 6, 40_000] {
            metrics.observe(Metric::WebhookDuration, &[], Duration::from_millis(millis));
        }
        let text = metrics.render();
        for line in [
            "webhook_duration_seconds_bucket{le=\"0.005\"} 1\n",
            "webhook_duration_seconds_bucket{le=\"0.01\"} 2\n",
            "webhook_duration_seconds_bucket{le=\"30\"} 2\n",
            "webhook_duration_seconds_bucket{le=\"+Inf\"} 3\n",
            "webhook_duration_seconds_sum 40.011\n",
            "webhook_duration_seconds_count 3\n",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }

    #[test]
    fn every_family_has_a_row_and_every_line_a_family() {
        let text = metrics().render();
        assert_eq!(text.matches("# TYPE ").count(), FAMILIES.len());
        let names: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = name.strip_prefix(PREFIX).unwrap();
            let of = |end| base.strip_suffix(end).unwrap_or(base);
            let base = of(if base.ends_with("_bucket") { "_bucket" } else { "_" });
            let known = |one: &str| names.contains(&one);
            assert!(known(base) || known(of("_sum")) || known(of("_count")), "{line}");
        }
    }

    /// The names that begin with ours in a text, without the ending of a histogram's series.
    fn used_in(text: &str) -> BTreeSet<String> {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let names = text.split(PREFIX).skip(1).map(|rest| {
            let name: String = rest.chars().take_while(|c| is_part(*c)).collect();
            let histograms = FAMILIES.iter().filter(|one| matches!(one.kind, Kind::Histogram(_)));
            let parts = ["_bucket", "_sum", "_count"].iter();
            let found = parts
                .filter_map(|end| name.strip_suffix(end))
                .find(|base| histograms.clone().any(|family| family.name == *base));
            found.map(str::to_owned).unwrap_or(name)
        });
        names.collect()
    }

    #[test]
    fn the_documents_name_the_metrics_that_there_are() {
        let all: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
        let page = include_str!("../../../GATEWAY.md");
        let table = page.split("### Metrics").nth(1).unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.map(|row| row.split(" | ").next().unwrap());
        let listed: BTreeSet<&str> =
            cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert_eq!(listed, all, "GATEWAY.md has all of them, and no other");
        for (file, text) in [
            ("dashboard.json", include_str!("../../../operations/dashboard.json")),
            ("alerts.yaml", include_str!("../../../operations/alerts.yaml")),
            ("OPERATIONS.md", include_str!("../../../operations/OPERATIONS.md")),
        ] {
            let used = used_in(text);
            let unknown: Vec<_> = used.iter().filter(|one| !all.contains(one.as_str())).collect();
            assert!(!used.is_empty() && unknown.is_empty(), "{file}: {unknown:?}");
        }
    }

    #[test]
    fn every_query_of_the_dashboard_is_of_our_metrics() {
        let text = include_str!("../../../operations/dashboard.json");
        let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
        let panels = dashboard["panels"].as_array().unwrap().iter();
        let charts: Vec<_> = panels.filter(|panel| panel["type"] != "row").collect();
        assert!(charts.len() > 10);
        for panel in charts {
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{panel}");
            for target in targets {
                let query = target["expr"].as_str().unwrap();
                assert!(!used_in(query).is_empty(), "{query}");
                for (name, labels) in selectors(query) {
                    let family = FAMILIES.iter().find(|family| family.name == name).unwrap();
                    let known = |label: &str| {
                        family.labels.iter().any(|Label(name, _)| *name == label)
                            || ["instance", "job", "le"].contains(&label)
                    };
                    assert!(labels.iter().all(|label| known(label)), "{query}: {labels:?}");
                }
            }
        }
    }

    /// The metrics of a query, each with the names of the labels that select its series.
    fn selectors(query: &str) -> Vec<(String, Vec<String>)> {
        let of = |rest: &str| {
            let name = used_in(&format!("{PREFIX}{rest}")).pop_first().unwrap();
            let braces = rest
                .find('{')
                .filter(|at| rest[..*at].chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            let inside = braces.and_then(|at| rest[at + 1..].split('}').next());
            let labels = inside.into_iter().flat_map(|inside| inside.split(','));
            let label = |one: &str| one.split(['=', '!']).next().unwrap().trim().to_owned();
            (name, labels.map(label).collect())
        };
        query.split(PREFIX).skip(1).map(of).collect()
    }

    #[test]
    fn a_label_cannot_end_its_quotes() {
        let metrics = metrics();
        metrics.set(Metric::BuildInfo, &["1\"\\\n", "memory"], 1.0);
        let line = r#"lp_bridge_build_info{version="1\"\\\n",store="memory"} 1"#;
        assert!(metrics.render().contains(line));
    }

    #[test]
    fn the_present_time_is_in_seconds() {
        let metrics = metrics();
        metrics.set_to_now(Metric::GatewayLastSuccess, &["sms"]);
        let times = metrics.by_label(Metric::GatewayLastSuccess);
        assert!(times.keys().eq(["sms"]), "{times:?}");
        // Seconds since 1970 are in here from 2023 to 2286.
        assert!((1.7e9..1e10).contains(&times["sms"]), "{times:?}");
    }

    #[test]
    fn open_labels_cannot_fill_the_memory() {
        let metrics = metrics();
        for n in 0..2 * MAX_SERIES {
            metrics.count(Metric::ApiRequests, &[&n.to_string(), "2xx"]);
        }
        assert_eq!(metrics.render().matches("api_requests_total{").count(), MAX_SERIES);
    }
}
