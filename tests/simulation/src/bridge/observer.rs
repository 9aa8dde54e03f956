//! What the scenarios of the bridge reach.
//!
//! | table | a cell is reached if |
//! |---|---|
//! | pairs of faults | the two were in flight at one time |
//! | instances that stop | one died or froze with this in flight |
//! | events | a worker reported this, in a scenario that breaks this assumption or none |
//! | messages | a worker reported this, under this policy for what is not settled |
//! | deliveries | a try of a delivery ended so |
//!
//! A fault of a request is in flight from when that is sent to when its answer comes, or nobody waits for it any more;
//! an instance, the store or the channel is out of order for as long as it is; and what happens in a moment counts for
//! [some seconds](MOMENT).

use std::time::Duration;

use lp_connector_core::bridge::store::{LaneKind, Request};
use lp_connector_core::bridge::{
    BridgeEvent, BridgeEventKind, ConversationOutcome, DeadLetterReason, Delivery, DeliveryContent,
    DeliveryKind, DeliveryOutcome, FailureReason, MessageOutcome, OrderAnomaly, Outgoing,
    Unsettled,
};

use super::scenario::{Assumption, Fault, Scenario};
use crate::coverage::{Coverage, Reach, Reached, Table};

/// For how long a moment counts.
const MOMENT: Duration = Duration::from_secs(5);

static TABLES: [Table; 5] =
    [FAULTS_TABLE, STOPS_TABLE, EVENTS_TABLE, MESSAGES_TABLE, DELIVERIES_TABLE];
const FAULTS: usize = 0;
const STOPS: usize = 1;
const EVENTS: usize = 2;
const MESSAGES: usize = 3;
const DELIVERIES: usize = 4;

/// Who a request goes to. Each has four faults, in this order: lost, answer lost, late, answer late.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    Store,
    Cloud,
    Instance,
    Channel,
}

/// What else goes wrong, by its row after those of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    StoreDown = 16,
    ChannelDown,
    Dies,
    Freezes,
    CloudFails,
    NotificationsDisturbed,
    Forgotten,
    OpenedElsewhere,
    AgentCloses,
}

const FAULT_NAMES: [&str; 25] = [
    "to the store: lost",
    "to the store: answer lost",
    "to the store: late",
    "to the store: answer late",
    "to the cloud: lost",
    "to the cloud: answer lost",
    "to the cloud: late",
    "to the cloud: answer late",
    "notification: lost",
    "notification: answer lost",
    "notification: late",
    "notification: answer late",
    "delivery: lost",
    "delivery: answer lost",
    "delivery: late",
    "delivery: answer late",
    "the store is down",
    "the channel is down",
    "an instance is dead",
    "an instance is frozen",
    "the cloud fails",
    "notifications are disturbed",
    "a consumer is forgotten",
    "opened elsewhere",
    "an agent closes",
];

const FAULTS_TABLE: Table = Table {
    title: "Pairs of faults that were in flight at one time",
    rows: &FAULT_NAMES,
    columns: &FAULT_NAMES,
    reach: Reach::of_pair,
};

/// What an instance has in flight, by its column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    Claim,
    Commit,
    Extend,
    AppendMessage,
    AppendPost,
    Identify,
    Open,
    Text,
    Receipt,
    DeliverMessage,
    DeliverChange,
    DeliverStatus,
    Nothing,
}

const STOPS_TABLE: Table = Table {
    title: "Instances that stop, with what they have in flight",
    rows: &["dies", "freezes"],
    columns: &[
        "a claim",
        "a commit",
        "an extension of leases",
        "an append of a message",
        "an append of a notification",
        "a call that identifies",
        "a call that opens",
        "a call that sends a text",
        "a call that sends a receipt",
        "a delivery of a message",
        "a delivery of a change",
        "a delivery of a status",
        "nothing",
    ],
    reach: |_, column| match column {
        EXTENSION => Reach::Seldom("leases are seldom extended, and that takes milliseconds"),
        _ => Reach::Wanted,
    },
};

// Rows of events, of which the first are the columns of messages.
const FAILED_UNCONFIRMED: usize = 2;
const UNKNOWN_OPTION: usize = 3;
const ID_REUSED: usize = 4;
const OPERATOR: usize = 5;
const REPORTED: usize = 9;
const SENT_AGAIN: usize = 10;
const DEAD_TAKEN_OVER: usize = 25;
const DEAD_COMMIT_LOST: usize = 29;

/// The rows of what happens often enough to meet each broken assumption.
const COMMON: [usize; 14] = [0, 6, REPORTED, 11, 12, 14, 15, 17, 18, 19, 22, 23, 24, 26];

const EXTENSION: usize = Work::Extend as usize;
const PAUSED: usize = 5;

const EVENTS_TABLE: Table = Table {
    title: "Events, by the assumption that the scenario breaks",
    rows: &[
        "message sent",
        "message failed: refused",
        "message failed: unconfirmed",
        "message failed: unknown option",
        "message failed: id reused",
        "message failed: operator",
        "message unconfirmed",
        "message settled as sent",
        "message settled as absent",
        "message reported",
        "message sent again",
        "conversation opened",
        "conversation adopted",
        "conversation reopened",
        "conversation closed",
        "delivered after a gap",
        "delivered late",
        "perhaps delivered twice",
        "dead letter: refused",
        "dead letter: broken",
        "dead letter: expired",
        "dead letter: no consumer",
        "consumer's lane taken over",
        "conversation's lane taken over",
        "status lane taken over",
        "dead letter's lane taken over",
        "consumer's commit lost",
        "conversation's commit lost",
        "status commit lost",
        "dead letter's commit lost",
    ],
    columns: &[
        "none",
        "all types of events are sent",
        "no notification is lost",
        "sequences have no gaps",
        "no request is processed late",
        "an echo has the same text",
    ],
    reach: |row, column| match (row, column) {
        (FAILED_UNCONFIRMED, _) => Reach::Never("it is reported as unconfirmed"),
        (UNKNOWN_OPTION | ID_REUSED, _) => Reach::Never("no scenario has such a message"),
        (DEAD_TAKEN_OVER | DEAD_COMMIT_LOST, _) => {
            Reach::Seldom("the lane of a dead letter is worked on for moments alone")
        }
        (_, 0) => Reach::Wanted,
        (row, _) if COMMON.contains(&row) => Reach::Wanted,
        _ => Reach::Seldom("it is not common, with this assumption broken"),
    },
};

const MESSAGES_TABLE: Table = Table {
    title: "Messages, by the policy for what is not settled",
    rows: &["report", "send again", "hold"],
    columns: &[
        "sent",
        "failed: refused",
        "failed: unconfirmed",
        "failed: unknown option",
        "failed: id reused",
        "failed: operator",
        "unconfirmed",
        "settled as sent",
        "settled as absent",
        "reported",
        "sent again",
    ],
    reach: |row, column| match (row, column) {
        (_, FAILED_UNCONFIRMED) => Reach::Never("it is reported as unconfirmed"),
        (_, UNKNOWN_OPTION | ID_REUSED) => Reach::Never("no scenario has such a message"),
        (0 | 1, OPERATOR) => Reach::Never("an operator decides about held messages"),
        (0, SENT_AGAIN) | (1 | 2, REPORTED) => Reach::Never("the policy is another one"),
        _ => Reach::Wanted,
    },
};

const DELIVERIES_TABLE: Table = Table {
    title: "Deliveries",
    rows: &["message", "change", "status"],
    columns: &["taken", "refused", "outage", "broken", "expired", "paused"],
    reach: |row, column| match (row, column) {
        (1 | 2, 1 | 3) => Reach::Never("the channel refuses texts alone, and breaks on them"),
        (_, PAUSED) => Reach::Never("nobody pauses the channel"),
        _ => Reach::Wanted,
    },
};

/// No coverage of the bridge yet.
pub(crate) fn empty() -> Coverage {
    Coverage::new(&TABLES)
}

/// Watches one scenario.
#[derive(Debug)]
pub(crate) struct Observer {
    reached: Reached,
    /// The column of the assumption that the scenario breaks, and the row of its policy.
    broken: usize,
    policy: usize,
    /// The faults in flight, and their ends.
    faults: Vec<(usize, Duration)>,
    /// What each instance has in flight, with the worker's number of it.
    work: Vec<(usize, u64, Work)>,
}

impl Observer {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            reached: Reached::new(&TABLES),
            broken: match scenario.broken.first() {
                None => 0,
                Some(Assumption::AllTypesSent) => 1,
                Some(Assumption::NothingLost) => 2,
                Some(Assumption::NoGaps) => 3,
                Some(Assumption::NeverLate) => 4,
                Some(Assumption::SameText) => 5,
            },
            policy: match scenario.unsettled {
                Unsettled::Resend => 1,
                Unsettled::Hold => 2,
                _ => 0,
            },
            faults: Vec::new(),
            work: Vec::new(),
        }
    }

    pub(crate) fn into_reached(self) -> Reached {
        self.reached
    }

    /// A request is sent that has this fault, if any. Nobody waits for its answer after `waits`.
    pub(crate) fn sent(&mut self, to: To, fault: Option<Fault>, now: Duration, waits: Duration) {
        let (column, lasts) = match fault {
            None => return,
            Some(Fault::RequestLost) => (0, waits),
            Some(Fault::AnswerLost) => (1, waits),
            Some(Fault::SlowRequest(by)) => (2, by),
            Some(Fault::SlowAnswer(by)) => (3, by),
        };
        self.begins(to as usize * 4 + column, now, lasts);
    }

    /// Something else goes wrong, for a time.
    pub(crate) fn lasts(&mut self, trouble: Trouble, now: Duration, lasts: Duration) {
        self.begins(trouble as usize, now, lasts);
    }

    /// Something happens in a moment.
    pub(crate) fn moment(&mut self, trouble: Trouble, now: Duration) {
        self.begins(trouble as usize, now, MOMENT);
    }

    fn begins(&mut self, fault: usize, now: Duration, lasts: Duration) {
        self.faults.retain(|(_, until)| now < *until);
        for (other, _) in &self.faults {
            self.reached.mark(FAULTS, fault.max(*other), fault.min(*other));
        }
        self.faults.push((fault, now.saturating_add(lasts)));
    }

    pub(crate) fn asked(&mut self, instance: usize, number: u64, request: &Request) {
        let work = match request {
            Request::Claim { .. } => Work::Claim,
            Request::Commit(_) => Work::Commit,
            Request::Extend { .. } => Work::Extend,
            _ => return,
        };
        self.work.push((instance, number, work));
    }

    pub(crate) fn called(&mut self, instance: usize, number: u64, outgoing: &Outgoing) {
        let work = match outgoing {
            Outgoing::Identify(_) => Work::Identify,
            Outgoing::Open(_) => Work::Open,
            Outgoing::Text(_) => Work::Text,
            Outgoing::Receipt(_) => Work::Receipt,
            _ => return,
        };
        self.work.push((instance, number, work));
    }

    pub(crate) fn delivers(&mut self, instance: usize, number: u64, delivery: &Delivery) {
        let work = match &delivery.content {
            DeliveryContent::Message(_) => Work::DeliverMessage,
            DeliveryContent::Changed(_) => Work::DeliverChange,
            _ => Work::DeliverStatus,
        };
        self.work.push((instance, number, work));
    }

    /// An instance wants to append what it answers for.
    pub(crate) fn appends(&mut self, instance: usize, is_message: bool) {
        let work = if is_message { Work::AppendMessage } else { Work::AppendPost };
        self.work.push((instance, u64::MAX, work));
    }

    pub(crate) fn appended(&mut self, instance: usize, is_message: bool) {
        let work = if is_message { Work::AppendMessage } else { Work::AppendPost };
        if let Some(at) = self.work.iter().position(|it| *it == (instance, u64::MAX, work)) {
            self.work.swap_remove(at);
        }
    }

    /// What a worker began under this number has ended.
    pub(crate) fn ended(&mut self, instance: usize, number: u64) {
        self.work.retain(|(of, other, _)| (*of, *other) != (instance, number));
    }

    /// An instance dies or freezes, for a time.
    pub(crate) fn stops(
        &mut self,
        instance: usize,
        is_crash: bool,
        now: Duration,
        lasts: Duration,
    ) {
        let row = usize::from(!is_crash);
        let own = |(of, ..): &&(usize, u64, Work)| *of == instance;
        let mut all = self.work.iter().filter(own).peekable();
        if all.peek().is_none() {
            self.reached.mark(STOPS, row, Work::Nothing as usize);
        }
        all.for_each(|(.., work)| self.reached.mark(STOPS, row, *work as usize));
        if is_crash {
            self.work.retain(|(of, ..)| *of != instance);
        }
        self.lasts(if is_crash { Trouble::Dies } else { Trouble::Freezes }, now, lasts);
    }

    /// A worker reports something.
    pub(crate) fn told(&mut self, event: &BridgeEvent) {
        let row = match &event.kind {
            BridgeEventKind::Message { outcome, .. } => {
                let column = match outcome {
                    MessageOutcome::Sent => 0,
                    MessageOutcome::Failed(FailureReason::Refused(_)) => 1,
                    MessageOutcome::Failed(FailureReason::Unconfirmed) => 2,
                    MessageOutcome::Failed(FailureReason::UnknownOption) => 3,
                    MessageOutcome::Failed(FailureReason::IdReused) => 4,
                    MessageOutcome::Failed(FailureReason::Operator) => 5,
                    MessageOutcome::Unconfirmed => 6,
                    MessageOutcome::SettledSent => 7,
                    MessageOutcome::SettledAbsent => 8,
                    MessageOutcome::Reported => 9,
                    MessageOutcome::Resent => 10,
                    _ => return,
                };
                self.reached.mark(MESSAGES, self.policy, column);
                column
            }
            BridgeEventKind::Conversation { outcome, .. } => match outcome {
                ConversationOutcome::Opened => 11,
                ConversationOutcome::Adopted => 12,
                ConversationOutcome::Reopened => 13,
                ConversationOutcome::Closed => 14,
                _ => return,
            },
            BridgeEventKind::OrderAnomaly { anomaly, .. } => match anomaly {
                OrderAnomaly::AfterGap => 15,
                OrderAnomaly::Late => 16,
                OrderAnomaly::PossiblyRepeated => 17,
                _ => return,
            },
            BridgeEventKind::DeadLetter { reason, .. } => match reason {
                DeadLetterReason::Refused => 18,
                DeadLetterReason::Broken => 19,
                DeadLetterReason::Expired => 20,
                DeadLetterReason::NoConsumer => 21,
                _ => return,
            },
            BridgeEventKind::TakenOver(kind) => 22 + lane(*kind),
            BridgeEventKind::CommitLost(kind) => 26 + lane(*kind),
            BridgeEventKind::Delivery { content, outcome, .. } => {
                self.tried(*content, *outcome);
                return;
            }
            _ => return,
        };
        self.reached.mark(EVENTS, row, self.broken);
    }

    fn tried(&mut self, content: DeliveryKind, outcome: DeliveryOutcome) {
        let row = match content {
            DeliveryKind::Message => 0,
            DeliveryKind::Changed => 1,
            _ => 2,
        };
        let column = match outcome {
            DeliveryOutcome::Taken => 0,
            DeliveryOutcome::Refused => 1,
            DeliveryOutcome::Outage => 2,
            DeliveryOutcome::Broken => 3,
            DeliveryOutcome::Expired => 4,
            _ => 5,
        };
        self.reached.mark(DELIVERIES, row, column);
    }
}

/// The number of a kind of lane.
fn lane(kind: LaneKind) -> usize {
    LaneKind::ALL.iter().position(|it| *it == kind).unwrap_or_default()
}
