//! What fails.

use super::script::Script;
use crate::bridge::Outgoing;
use crate::bridge::store::Request;
use crate::bridge::world::{Fate, UnderWay, World};
use crate::error::{Delivery as Effect, Error, ErrorKind};

pub(super) fn fate_of(fate: u8) -> Fate {
    match fate % 7 {
        0 => Fate::AnswerLost,
        1 => Fate::RequestLost,
        2 => Fate::Late,
        _ => Fate::Done,
    }
}

/// A failure that the cloud does not decide: whether a conversation is closed, or open already, it knows itself. No
/// input names a failure of TLS or of a proxy.
fn kind_of(kind: u8) -> ErrorKind {
    let is_decided = |kind: &ErrorKind| {
        matches!(
            kind,
            ErrorKind::AlreadyOpen
                | ErrorKind::ConversationClosed
                | ErrorKind::Tls
                | ErrorKind::Proxy
        )
    };
    let kinds: Vec<_> = ErrorKind::ALL.into_iter().filter(|kind| !is_decided(kind)).collect();
    let at = usize::from(kind).checked_rem(kinds.len()).unwrap_or_default();
    kinds.get(at).copied().unwrap_or(ErrorKind::Unavailable)
}

impl Script {
    /// What becomes of a step. What is repeated for a test needs to be a copy: files have none.
    pub(super) fn fate(&self, at: usize, index: usize, fate: u8) -> Fate {
        let step = self.world.instances.get(at).and_then(|it| it.under_way.get(index));
        let is_file = matches!(step, Some(UnderWay::Call(_, outgoing, _))
            if matches!(**outgoing, Outgoing::UploadUrl(_) | Outgoing::Put(_) | Outgoing::File(_)));
        match fate_of(fate) {
            Fate::Late if is_file => Fate::AnswerLost,
            fate => fate,
        }
    }

    pub(super) fn fail(&mut self, at: u8, index: u8, kind: u8, effect: u8, is_done: bool) {
        let at = self.at(at);
        let Some(index) = self.index(at, index) else { return };
        let World { instances, cloud, now, .. } = &mut self.world;
        let Some(instance) = instances.get_mut(at) else { return };
        let Some(UnderWay::Call(number, outgoing, until)) = instance.under_way.get(index) else {
            return;
        };
        let effect = match effect % 3 {
            0 => Effect::NotSent,
            1 => Effect::Rejected,
            _ => Effect::Unknown,
        };
        if effect == Effect::Unknown && is_done && now.mono() <= *until {
            let _ = cloud.perform(outgoing);
        }
        let kind = kind_of(kind);
        let error = Error::new(kind, "it failed");
        let error = match kind {
            ErrorKind::Unauthorized => error.with_status(401, None),
            ErrorKind::Rejected => error.with_status(403, None),
            _ => error,
        };
        let number = *number;
        instance.under_way.remove(index);
        instance.worker.called(number, Err(error.with_delivery(effect)), *now);
        self.world.poll(at);
    }

    pub(super) fn refuse(&mut self, at: u8, index: u8) {
        let at = self.at(at);
        let Some(index) = self.index(at, index) else { return };
        let World { instances, now, .. } = &mut self.world;
        let Some(instance) = instances.get_mut(at) else { return };
        let step = instance.under_way.get(index);
        let Some(UnderWay::Ask(number, Request::Commit(_))) = step else { return };
        let number = *number;
        instance.under_way.remove(index);
        instance.worker.refused(number, *now);
        self.world.poll(at);
    }

    pub(super) fn stop(&mut self, at: u8) {
        let at = self.at(at);
        let Some(instance) = self.world.instances.get_mut(at) else { return };
        instance.worker.stop();
        for _ in 0..2000 {
            let until = self.world.poll(at);
            if self.index(at, 0).is_some() {
                self.world.finish(at, 0, Fate::Done);
                continue;
            }
            match until {
                Some(until) => self.world.advance(until.since(self.world.now.mono())),
                None => {
                    // It holds nothing, so that nothing is taken over.
                    let orphans = self.world.orphans();
                    self.world.crash(at);
                    assert_eq!(self.world.orphans(), orphans, "something is under way");
                    return;
                }
            }
        }
        panic!("it does not stop");
    }
}
