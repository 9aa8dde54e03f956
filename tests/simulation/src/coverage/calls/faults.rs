//! Which pairs of faults overlapped.
//!
//! A fault is *of a request*, for as long as that is in flight: from when it is sent to when its caller has the
//! outcome, is cancelled or dies with its process. Or it is *of a moment*, such as a revocation. Two faults overlap if,
//! in one process,
//!
//! * one request has both, or
//! * two requests with one each were in flight at one moment, or
//! * the moment of one fell into the flight of a request with the other, or
//! * the moments of both fell into the flight of one request.
//!
//! A moment of the cloud is one of every process.

use super::{FAULTS, Reach, Reached, Table};
use crate::event_log::SentRequest;
use crate::network::NetworkFault;
use crate::world::World;

/// A fault, by its row and column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    NotConnected,
    NoTls,
    RequestLost,
    ResponseLost,
    RequestLate,
    ResponseLate,
    ResponseTwice,
    StrayBytes,
    RateLimited,
    Unavailable,
    ServerError,
    NotProcessed,
    Unauthorized,
    Rejected,
    Redirected,
    Unreadable,
    AppTokensRevoked,
    ConsumerTokensRevoked,
    SecretChanged,
    ServiceMoved,
    CloudClockSet,
    WallClockSet,
    ProcessRestarts,
    ProcessSuspended,
    CallCancelled,
    CallDropped,
    PostFails,
}

const NAMES: [&str; 27] = [
    "not connected",
    "no TLS, or no proxy",
    "request lost",
    "response lost",
    "request late",
    "response late",
    "response twice",
    "stray bytes",
    "status 429",
    "status 503",
    "other 5xx",
    "status 408, 421, 425",
    "status 401",
    "other 4xx",
    "redirect",
    "unreadable success",
    "AppJWTs revoked",
    "ConsumerJWSs revoked",
    "secret changed",
    "service moved",
    "cloud's clock set",
    "process's clock set",
    "process restarts",
    "process suspended",
    "call cancelled",
    "call dropped",
    "notification fails",
];

pub(super) const TABLE: Table = Table {
    title: "Pairs of faults that overlapped in one process",
    rows: &NAMES,
    columns: &NAMES,
    reach: |row, column| {
        let restarts = Fault::ProcessRestarts as usize;
        match (row, column) {
            (row, column) if (row, column) == (restarts, restarts) => {
                Reach::Never("a restart ends all requests in flight")
            }
            (row, column) => Reach::of_pair(row, column),
        }
    },
};

impl Fault {
    /// That of a call whose caller gives it up, with notice to the core or without.
    pub(super) fn cancelled(notify: bool) -> Self {
        if notify { Self::CallCancelled } else { Self::CallDropped }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Flight>);

/// A request in flight, and what it met so far: a bit for each fault.
#[derive(Clone, Copy, Debug)]
struct Flight {
    nth: usize,
    process: usize,
    /// Moments that fell into it, and those that did so twice.
    moments: u32,
    again: u32,
    /// The faults of requests that were in flight with it, and have ended.
    others: u32,
}

impl Faults {
    pub(super) fn sent(&mut self, nth: usize, process: usize) {
        self.0.push(Flight { nth, process, moments: 0, again: 0, others: 0 });
    }

    /// A fault of a moment, of one process or of all.
    pub(super) fn moment(&mut self, fault: Fault, process: Option<usize>) {
        let meets = |flight: &&mut Flight| process.is_none_or(|process| flight.process == process);
        for flight in self.0.iter_mut().filter(meets) {
            flight.again |= flight.moments & fault.bit();
            flight.moments |= fault.bit();
        }
    }

    /// A request ends: its own faults are known.
    pub(super) fn ends(
        &mut self,
        reached: &mut Reached,
        world: &World,
        nth: usize,
        sent: &SentRequest,
    ) {
        let Some(at) = self.0.iter().position(|flight| flight.nth == nth) else { return };
        let ended = self.0.swap_remove(at);
        let own = own(world, sent);
        if own != 0 {
            let beside = |flight: &&mut Flight| flight.process == ended.process;
            self.0.iter_mut().filter(beside).for_each(|flight| flight.others |= own);
            mark(reached, own, own, false);
            mark(reached, own, ended.moments, true);
            mark(reached, own, ended.others, true);
        }
        mark(reached, ended.moments, ended.moments, false);
        mark(reached, ended.again, ended.again, true);
    }
}

/// Marks all pairs of two sets; those of a fault with itself only if two of it met.
fn mark(reached: &mut Reached, one: u32, other: u32, with_itself: bool) {
    for a in bits(one) {
        for b in bits(other).filter(|b| a != *b || with_itself) {
            reached.mark(FAULTS, a.max(b), a.min(b));
        }
    }
}

fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let first = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(first as usize)
    })
}

/// The faults of a request that has ended.
fn own(world: &World, sent: &SentRequest) -> u32 {
    let mut set = match sent.fault {
        NetworkFault::None => 0,
        NetworkFault::Refused | NetworkFault::Unresolved | NetworkFault::NoFreeConnection => {
            Fault::NotConnected.bit()
        }
        NetworkFault::NoTls | NetworkFault::CertificateDemanded | NetworkFault::ProxyRefused => {
            Fault::NoTls.bit()
        }
        NetworkFault::RequestLost => Fault::RequestLost.bit(),
        NetworkFault::ResponseLost | NetworkFault::Truncated(_) => Fault::ResponseLost.bit(),
        NetworkFault::SlowResponse(_) => Fault::ResponseLate.bit(),
        NetworkFault::SlowRequest(_) => Fault::RequestLate.bit(),
        NetworkFault::Duplicated(_) => Fault::ResponseTwice.bit(),
        // Without the core's own codec no byte is left over.
        NetworkFault::StrayBytes => {
            let process = world.processes.get(sent.process);
            let wire = process.and_then(|process| process.wire.as_ref());
            wire.map_or(0, |_| Fault::StrayBytes.bit())
        }
    };
    if sent.is_delayed {
        set |= Fault::ResponseLate.bit();
    }
    match sent.status {
        Some(_) if !sent.received && sent.outcome_at < sent.deadline => {
            set |= Fault::ResponseLost.bit();
        }
        Some(status) if sent.received => {
            set |= match status {
                429 => Fault::RateLimited.bit(),
                503 => Fault::Unavailable.bit(),
                500.. => Fault::ServerError.bit(),
                408 | 421 | 425 => Fault::NotProcessed.bit(),
                401 => Fault::Unauthorized.bit(),
                400.. => Fault::Rejected.bit(),
                300.. => Fault::Redirected.bit(),
                _ if sent.is_unreadable => Fault::Unreadable.bit(),
                _ => 0,
            };
        }
        _ => {}
    }
    set
}
