//! What each side knows in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lp_connector_sandbox::{Sandbox, Server};

/// The gateway's book.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// What the bridge has accepted, for each consumer.
    accepted: BTreeMap<String, Vec<String>>,
    /// What it has delivered, for each consumer, without repeats.
    delivered: BTreeMap<String, Vec<String>>,
    ids: BTreeSet<String>,
    repeats: usize,
    /// The messages, by consumer and id, of which it was told that they were sent.
    sent: BTreeSet<(String, String)>,
}

impl Books {
    pub(super) fn accept(&self, consumer: &str, text: &str) {
        self.lock().accepted.entry(consumer.to_owned()).or_default().push(text.to_owned());
    }

    /// Writes down a message of an agent. A repeat has the id of one that is there.
    pub(super) fn deliver(&self, id: &str, consumer: &str, text: &str) {
        let mut book = self.lock();
        if book.ids.insert(id.to_owned()) {
            book.delivered.entry(consumer.to_owned()).or_default().push(text.to_owned());
        } else {
            book.repeats += 1;
        }
    }

    /// Writes down that a message was sent.
    pub(super) fn send(&self, consumer: &str, message: &str) {
        self.lock().sent.insert((consumer.to_owned(), message.to_owned()));
    }

    /// Whether it was told that the message with this text was sent.
    pub(super) fn is_sent(&self, consumer: &str, text: &str) -> bool {
        self.lock().sent.contains(&(consumer.to_owned(), id_of(text)))
    }

    pub(super) fn accepted(&self) -> usize {
        self.lock().accepted.values().map(Vec::len).sum()
    }

    pub(super) fn delivered(&self) -> usize {
        self.lock().delivered.values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The channel's id of the message with a text.
pub(super) fn id_of(text: &str) -> String {
    text.replace(' ', "-")
}

/// The texts that somebody with this role published, with their consumers, in order.
pub(super) fn texts<'a>(
    sandbox: &'a Sandbox,
    role: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let of_role = sandbox.messages().iter().filter(move |one| one.role == role);
    of_role.filter_map(|one| {
        let consumer = one.consumer.rsplit(':').next().unwrap_or_default();
        Some((consumer, one.event.get("message")?.as_str()?))
    })
}

/// The comparison of both sides.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Verdict {
    pub(super) accepted: usize,
    pub(super) arrived: usize,
    pub(super) said: usize,
    pub(super) delivered: usize,
    repeats: usize,
    messages: Difference,
    answers: Difference,
}

/// How what came differs from what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Difference {
    lost: usize,
    doubled: usize,
    out_of_order: usize,
}

impl Verdict {
    pub(super) fn of(books: &Books, cloud: &Server) -> Self {
        let book = books.lock();
        let of_role = |role: &str| {
            cloud.with(|sandbox| {
                let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for (consumer, text) in texts(sandbox, role) {
                    all.entry(consumer.to_owned()).or_default().push(text.to_owned());
                }
                all
            })
        };
        let (arrived, said) = (of_role("CONSUMER"), of_role("ASSIGNED_AGENT"));
        let count = |all: &BTreeMap<String, Vec<String>>| all.values().map(Vec::len).sum();
        Self {
            accepted: count(&book.accepted),
            arrived: count(&arrived),
            said: count(&said),
            delivered: count(&book.delivered),
            repeats: book.repeats,
            messages: Difference::between(&book.accepted, &arrived),
            answers: Difference::between(&said, &book.delivered),
        }
    }

    pub(super) fn is_good(&self) -> bool {
        let none = Difference::default();
        self.accepted > 0 && self.said > 0 && self.messages == none && self.answers == none
    }

    pub(super) fn of_messages(&self) -> String {
        let Self { accepted, arrived, messages, .. } = self;
        format!("  {accepted} messages were accepted, and {arrived} arrived: {}", messages.words())
    }

    pub(super) fn of_answers(&self) -> String {
        let Self { said, delivered, answers, repeats, .. } = self;
        let words = answers.words();
        format!(
            "  {said} answers were given, and {delivered} delivered: {words} ({repeats} repeated, known by their ids)"
        )
    }
}

impl Difference {
    fn between(sent: &BTreeMap<String, Vec<String>>, came: &BTreeMap<String, Vec<String>>) -> Self {
        let mut difference = Self::default();
        let consumers: BTreeSet<&String> = sent.keys().chain(came.keys()).collect();
        for consumer in consumers {
            let all = |side: &BTreeMap<String, Vec<String>>| {
                side.get(consumer).cloned().unwrap_or_default()
            };
            let (sent, came) = (all(sent), all(came));
            let places: Vec<_> =
                came.iter().filter_map(|text| sent.iter().position(|one| one == text)).collect();
            let distinct: BTreeSet<_> = places.iter().collect();
            difference.lost += sent.len() - distinct.len();
            // What nobody sent counts as doubled: it came once too often.
            difference.doubled += came.len() - distinct.len();
            difference.out_of_order +=
                places.iter().zip(places.iter().skip(1)).filter(|(a, b)| a > b).count();
        }
        difference
    }

    fn words(&self) -> String {
        let Self { lost, doubled, out_of_order } = self;
        format!("{lost} lost, {doubled} doubled, {out_of_order} out of order")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_found() {
        let of = |texts: &str| {
            BTreeMap::from([(
                "ada".to_owned(),
                texts.split_terminator(' ').map(str::to_owned).collect(),
            )])
        };
        for (sent, came, lost, doubled, out_of_order) in [
            ("1 2 3", "1 2 3", 0, 0, 0),
            ("1 2 3", "1 3", 1, 0, 0),
            ("1 2 3", "1 2 2 3", 0, 1, 0),
            ("1 2 3", "1 3 2", 0, 0, 1),
            ("1 2 3", "", 3, 0, 0),
            ("", "1", 0, 1, 0),
            ("1 2", "1 2 1", 0, 1, 1),
        ] {
            let found = Difference::between(&of(sent), &of(came));
            assert_eq!(found, Difference { lost, doubled, out_of_order }, "{sent} / {came}");
        }
    }
}
