//! The pool of connections, beside a naive one.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use http::Uri;

use crate::http1::{Acquired, Pool};
use crate::time::Mono;

/// An idle connection lives so long.
const IDLE: Duration = Duration::from_secs(15);

#[derive(Arbitrary, Debug)]
enum Step {
    Acquire { to: u8 },
    Another { which: u8 },
    Release { which: u8 },
    Discard { which: u8 },
    Pass { ms: u16 },
}

/// A connection: its number, and where it leads.
type Connection = (u32, usize);

/// Requests to a few hosts in any order: the pool does what a list would do.
pub fn pool(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let bound: u8 = input.arbitrary().unwrap_or_default();
    let bound = usize::from(bound % 6);
    let mut world = World {
        pool: Pool::new(bound, IDLE),
        bound: bound.max(1),
        now: Mono::ZERO,
        held: Vec::new(),
        idle: Vec::new(),
        made: 0,
    };
    for step in input.arbitrary_iter::<Step>().into_iter().flatten().flatten().take(400) {
        world.step(step);
        assert_eq!(world.pool.len(), world.idle.len(), "another number is idle");
        assert_eq!(world.pool.is_empty(), world.idle.is_empty());
        assert_eq!(world.pool.has_room(), world.held.len() < world.bound);
        assert!(world.held.len() + world.idle.len() <= world.bound, "too many connections");
    }
    // The bound takes the rest of the first byte.
    if let Some(first @ 252..) = data.first() {
        crowd(250 + 4 * usize::from(first - 252) + data.len() % 4);
    }
}

/// So many hosts are remembered.
const HOSTS: usize = 256;

/// One connection to each of so many hosts. That to a host beyond the bound is closed, and those that have been idle too
/// long make room.
fn crowd(hosts: usize) {
    let uri = |host: usize| Uri::try_from(format!("https://h{host}/")).expect("a URL");
    let mut pool = Pool::new(hosts, IDLE);
    for host in 0..hosts {
        assert_eq!(pool.acquire(&uri(host), Mono::ZERO), Acquired::Connect);
        pool.release(&uri(host), (0, host), Mono::ZERO);
        assert_eq!(pool.len(), HOSTS.min(host + 1));
    }
    for host in [0, HOSTS - 1, HOSTS] {
        let kept = pool.next_idle(&uri(host), Mono::ZERO);
        assert_eq!(kept, (host < HOSTS.min(hosts)).then_some((0, host)));
    }
    let later = Mono::ZERO + IDLE;
    assert_eq!(pool.acquire(&uri(hosts), Mono::ZERO), Acquired::Connect);
    pool.release(&uri(hosts), (0, hosts), later);
    assert_eq!(pool.next_idle(&uri(hosts), later), Some((0, hosts)), "there is room again");
}

struct World {
    pool: Pool<Connection>,
    bound: usize,
    now: Mono,
    held: Vec<Connection>,
    /// With the time since when, oldest first.
    idle: Vec<(Mono, Connection)>,
    made: u32,
}

impl World {
    fn step(&mut self, step: Step) {
        // No two are idle since the same moment: which of them is older is for nobody to say.
        self.now = self.now + Duration::from_millis(1);
        match step {
            Step::Pass { ms } => self.now = self.now + Duration::from_millis(ms.into()),
            Step::Acquire { to } => {
                let to = usize::from(to) % uris().len();
                match self.pool.acquire(&uri(to), self.now) {
                    Acquired::Full => assert_eq!(self.held.len(), self.bound),
                    Acquired::Idle(connection) => {
                        assert_eq!(Some(connection), self.next_idle(to));
                        self.held.push(connection);
                    }
                    Acquired::Connect => {
                        assert_eq!(self.next_idle(to), None, "an idle one is left");
                        self.idle.retain(|(since, _)| self.now.since(*since) < IDLE);
                        if self.held.len() + 1 + self.idle.len() > self.bound {
                            self.idle.remove(0);
                        }
                        self.connect(to);
                    }
                }
            }
            Step::Another { which } => {
                let Some((_, to)) = self.take(which) else { return };
                let another = self.pool.next_idle(&uri(to), self.now);
                assert_eq!(another, self.next_idle(to));
                match another {
                    Some(connection) => self.held.push(connection),
                    None => self.connect(to),
                }
            }
            Step::Release { which } => {
                let Some(connection) = self.take(which) else { return };
                self.pool.release(&uri(connection.1), connection, self.now);
                self.idle.push((self.now, connection));
            }
            Step::Discard { which } => {
                if self.take(which).is_some() {
                    self.pool.discard();
                }
            }
        }
    }

    fn take(&mut self, which: u8) -> Option<Connection> {
        let count = self.held.len();
        (count > 0).then(|| self.held.swap_remove(usize::from(which) % count))
    }

    fn connect(&mut self, to: usize) {
        self.made += 1;
        self.held.push((self.made, to));
    }

    /// The idle connection there that was used last. Those that have been idle too long are dropped with it.
    fn next_idle(&mut self, to: usize) -> Option<Connection> {
        let is_there = |connection: &Connection| connection.1 == to;
        let now = self.now;
        self.idle.retain(|(since, one)| !is_there(one) || now.since(*since) < IDLE);
        let at = self.idle.iter().rposition(|(_, one)| is_there(one))?;
        Some(self.idle.remove(at).1)
    }
}

fn uris() -> [&'static str; 4] {
    ["http://a/1", "https://a/2", "https://a:81", "https://b/3"]
}

fn uri(to: usize) -> Uri {
    Uri::from_static(uris().get(to).copied().unwrap_or("http://a/1"))
}
