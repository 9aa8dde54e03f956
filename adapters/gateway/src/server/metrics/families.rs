//! The families of metrics: their names, kinds and labels.

use super::{Family, Kind, Label, Values};

/// The edges of durations, in seconds. LivePerson waits 2.5 s for an answer, and a store has 2 s
/// ([protocol.md 9.1](lp_connector_core::protocol#9.1)).
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 30.0];

/// The edges of latencies, which may be those of an outage.
const LATENCY: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
    3600.0,
];

const GATEWAY: Label = Label("gateway", Values::Gateways);
const LANE_KIND: Label =
    Label("kind", Values::These(&["consumer", "conversation", "status", "dead_letter"]));
const DEAD_REASON: Label = Label(
    "reason",
    Values::These(&["refused", "broken", "expired", "unreadable", "no_consumer", "too_large"]),
);
const VERB: Label =
    Label("verb", Values::These(&["append", "claim", "commit", "extend", "read", "swap", "list"]));

/// Declares the families: an enum of them, and the table.
macro_rules! families {
    ($($variant:ident: $kind:expr, $name:literal, [$($label:expr),*], $help:literal;)*) => {
        /// A family of metrics.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(in crate::server) enum Metric {
            $(
                #[doc = $help]
                $variant,
            )*
        }

        /// All families, in the order of [`Metric`].
        pub(super) const FAMILIES: &[Family] = &[
            $(Family { name: $name, kind: $kind, labels: &[$($label),*], help: $help },)*
        ];
    };
}

families! {
    Webhooks: Kind::Counter, "webhooks_total",
        [Label("result", Values::These(&[
            "stored", "bad_signature", "too_large", "unavailable", "refused",
        ]))], "Notifications of LivePerson, by what became of them.";
    WebhookDuration: Kind::Histogram(SECONDS), "webhook_duration_seconds", [],
        "How long notifications took to be answered.";
    Accepts: Kind::Counter, "accepts_total",
        [Label("gateway", Values::GatewaysAndUnknown),
         Label("kind", Values::These(&["message", "receipts", "typing", "close", "forget"])),
         Label("result", Values::These(&["accepted", "repeated", "invalid", "unauthorized", "unavailable"]))],
        "Calls of gateways that hand something in, by what became of them.";
    AcceptDuration: Kind::Histogram(SECONDS), "accept_duration_seconds", [GATEWAY],
        "How long these calls took.";
    Messages: Kind::Counter, "messages_total",
        [GATEWAY, Label("outcome", Values::These(&[
            "sent", "failed", "unconfirmed", "settled_sent", "settled_absent", "reported", "resent",
        ]))], "Messages of consumers, by what became of them at LivePerson.";
    MessageLatency: Kind::Histogram(LATENCY), "message_latency_seconds", [GATEWAY],
        "From the acceptance of a message to LivePerson's answer.";
    UnconfirmedMessages: Kind::Gauge, "unconfirmed_messages", [],
        "Messages of which it is unknown whether LivePerson took them.";
    Deliveries: Kind::Counter, "deliveries_total",
        [GATEWAY,
         Label("type", Values::These(&[
            "message.created", "message.status", "conversation.changed", "typing.changed",
         ])),
         Label("outcome", Values::These(&["taken", "refused", "outage", "misconfigured", "expired"]))],
        "Deliveries that were posted to gateways, by what they answered.";
    DeliveryDuration: Kind::Histogram(SECONDS), "delivery_duration_seconds", [GATEWAY],
        "How long gateways took to answer a delivery.";
    DeliveryLatency: Kind::Histogram(LATENCY), "delivery_latency_seconds", [GATEWAY],
        "From when a notification was stored to the gateway's 2xx.";
    GatewayUp: Kind::Gauge, "gateway_up", [GATEWAY],
        "1 while a gateway answers, 0 while it is out of order, and before the first answer.";
    GatewayPaused: Kind::Gauge, "gateway_paused", [GATEWAY],
        "1 while an operator has paused the deliveries to a gateway.";
    GatewayLastSuccess: Kind::Gauge, "gateway_last_success_timestamp_seconds", [GATEWAY],
        "When a gateway answered with 2xx for the last time.";
    Conversations: Kind::Counter, "conversations_total",
        [Label("event", Values::These(&["opened", "adopted", "reopened", "closed"]))],
        "What happened to conversations.";
    OrderAnomalies: Kind::Counter, "order_anomalies_total",
        [Label("kind", Values::These(&["after_gap", "late", "possibly_repeated"]))],
        "Deliveries that are out of order.";
    DeadLetters: Kind::Gauge, "dead_letters", [DEAD_REASON],
        "Dead letters in the store.";
    DeadLettersTotal: Kind::Counter, "dead_letters_total", [Label("gateway", Values::GatewaysAndUnknown), DEAD_REASON],
        "Dead letters that were written.";
    BuildInfo: Kind::Gauge, "build_info", [Label("version", Values::Open), Label("store", Values::Open)],
        "1, with the version and the kind of the store.";
    ApiRequests: Kind::Counter, "api_requests_total",
        [Label("operation", Values::Open), Label("outcome", Values::Open)],
        "Requests to LivePerson, by status class, or no_response.";
    ApiDuration: Kind::Histogram(SECONDS), "api_request_duration_seconds", [Label("operation", Values::Open)],
        "How long LivePerson took to answer.";
    ApiCircuitOpen: Kind::Gauge, "api_circuit_open", [Label("service", Values::Open)],
        "1 while a service of LivePerson fails and is left alone.";
    TokenRenewals: Kind::Counter, "token_renewals_total",
        [Label("result", Values::These(&["renewed", "rejected", "deferred", "throttled"]))],
        "Tokens that were fetched, rejected, not renewed in time, or waited for.";
    StoreUp: Kind::Gauge, "store_up", [],
        "1 while the store answers.";
    StoreRequests: Kind::Counter, "store_requests_total",
        [VERB, Label("result", Values::These(&["ok", "unavailable", "failed"]))],
        "Requests to the store.";
    StoreDuration: Kind::Histogram(SECONDS), "store_request_duration_seconds", [VERB],
        "How long the store took to answer.";
    Instances: Kind::Gauge, "instances", [],
        "Programs that run a bridge on the store, this one among them.";
    DueLanes: Kind::Gauge, "due_lanes", [],
        "Lanes that are due: at most 10000 are counted.";
    DueSince: Kind::Gauge, "due_since_timestamp_seconds", [],
        "Since when the lane that is due for longest has been due, as the store says. 0: none is due.";
    OldestSnapshot: Kind::Gauge, "oldest_snapshot_timestamp_seconds", [],
        "Since when the oldest snapshot of the database is held: what was deleted since takes room. 0: none, or not known.";
    StoreRepeated: Kind::Counter, "store_repeated_total", [],
        "Transactions that gave way to another one and were repeated.";
    StoreBytes: Kind::Gauge, "store_bytes", [Label("part", Values::Open)],
        "The size of a table with its indexes, or of a file.";
    StoreDeadRows: Kind::Gauge, "store_dead_rows", [Label("part", Values::Open)],
        "Deleted rows, or pages, that are not cleaned up yet.";
    StoreStandbys: Kind::Gauge, "store_standbys",
        [Label("sync", Values::These(&["sync", "quorum", "potential", "async", "unknown"]))],
        "Servers that follow the store's, by whether commits wait for them.";
    StandbyBehind: Kind::Gauge, "store_standby_behind_bytes", [],
        "What the slowest of them has not on its disk yet.";
    FactsAt: Kind::Gauge, "store_facts_timestamp_seconds", [],
        "When the store last told due_lanes, due_since, oldest_snapshot, sizes and standbys.";
    CountedAt: Kind::Gauge, "counted_timestamp_seconds", [],
        "When the last count of what waits in the store began: entries, oldest_due, dead_letters, unconfirmed_messages.";
    LanesHeld: Kind::Gauge, "lanes_held", [LANE_KIND],
        "Lanes that this instance works on.";
    Entries: Kind::Gauge, "entries", [LANE_KIND],
        "Entries that wait in lanes.";
    OldestDue: Kind::Gauge, "oldest_due_timestamp_seconds", [LANE_KIND],
        "Since when the lane that is due for longest has been due. 0: none is due.";
    Waiting: Kind::Gauge, "waiting", [LANE_KIND],
        "What waits in lanes, in their records too: messages for LivePerson, and deliveries for gateways.";
    OldestWaiting: Kind::Gauge, "oldest_waiting_timestamp_seconds", [LANE_KIND],
        "Since when the oldest of these waits, as far as records say. 0: none does.";
    CommitsLost: Kind::Counter, "commits_lost_total", [],
        "Commits and extensions that came too late.";
    Takeovers: Kind::Counter, "takeovers_total", [],
        "Lanes whose last holder neither finished nor released them.";
}
