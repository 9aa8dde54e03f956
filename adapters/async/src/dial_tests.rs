use std::future::{Future, pending};
use std::sync::Mutex;

use socket2::SockRef;

use super::*;
use crate::world_tests::{Peer, Stream, World};

/// Resolves to these addresses, on the clock of a world that accepts what they do.
struct Scripted {
    world: World,
    addresses: Vec<(SocketAddr, Then)>,
    /// The addresses that were tried, and when.
    tried: Mutex<Vec<(SocketAddr, Duration)>>,
    accepted: Mutex<Vec<SocketAddr>>,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Accepts,
    AcceptsAfter(Duration),
    Refuses,
    RefusesAfter(Duration),
    Hangs,
}

impl Runtime for Scripted {
    type Stream = Stream;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses.iter().map(|(address, _)| *address).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        self.tried.lock().unwrap().push((address, self.world.elapsed()));
        match self.addresses.iter().find(|(known, _)| *known == address).unwrap().1 {
            Then::Accepts => {}
            Then::AcceptsAfter(time) => self.world.sleep(time).await,
            Then::Refuses => return Err(io::ErrorKind::ConnectionRefused.into()),
            Then::RefusesAfter(time) => {
                self.world.sleep(time).await;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Then::Hangs => pending().await,
        }
        self.accepted.lock().unwrap().push(address);
        self.world.connect(address).await
    }

    fn socket(stream: &Stream) -> SockRef<'_> {
        World::socket(stream)
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        self.world.sleep(time)
    }
}

const V6: &str = "[2001:db8::1]:80";
const OTHER_V6: &str = "[2001:db8::2]:80";
const V4: &str = "192.0.2.1:80";
const AT_ONCE: Duration = Duration::ZERO;

/// Which address it connects to, and the addresses that it tries and when.
fn dialled(addresses: &[(&str, Then)]) -> (Result<String, Failure>, Vec<(String, Duration)>) {
    let parse = |(address, then): &(&str, Then)| (address.parse().unwrap(), *then);
    let runtime = Scripted {
        world: World::new([Peer::silent(), Peer::silent()]),
        addresses: addresses.iter().map(parse).collect(),
        tried: Mutex::default(),
        accepted: Mutex::default(),
    };
    let connected = runtime.world.run(dial(&runtime, "a name", 80));
    let accepted = runtime.accepted.into_inner().unwrap();
    assert_eq!(accepted.len(), usize::from(connected.is_ok()), "{accepted:?}");
    let tried = runtime.tried.into_inner().unwrap();
    let tried = tried.into_iter().map(|(address, at)| (address.to_string(), at)).collect();
    (connected.map(|_| accepted[0].to_string()), tried)
}

fn at(address: &str, time: Duration) -> (String, Duration) {
    (address.to_owned(), time)
}

#[test]
fn addresses_of_one_family_are_tried_in_turn() {
    let (to, tried) = dialled(&[(V6, Then::Refuses), (OTHER_V6, Then::Accepts)]);
    assert_eq!(to.unwrap(), OTHER_V6);
    assert_eq!(tried, [at(V6, AT_ONCE), at(OTHER_V6, AT_ONCE)]);
}

#[test]
fn the_other_family_waits_for_the_head_start() {
    let (to, tried) = dialled(&[(V6, Then::Hangs), (V4, Then::Accepts)]);
    assert_eq!(to.unwrap(), V4);
    assert_eq!(tried, [at(V6, AT_ONCE), at(V4, HEAD_START)]);
}

#[test]
fn the_preferred_family_may_come_late_if_the_other_refuses() {
    let late = Then::AcceptsAfter(HEAD_START * 2);
    let (to, tried) = dialled(&[(V6, late), (V4, Then::Refuses)]);
    assert_eq!(to.unwrap(), V6);
    assert_eq!(tried, [at(V6, AT_ONCE), at(V4, HEAD_START)]);
}

#[test]
fn the_other_family_may_come_late_if_the_preferred_refuses() {
    // It begins later, and accepts when the preferred one has refused already.
    let refuses = Then::RefusesAfter(HEAD_START * 2);
    let accepts = Then::AcceptsAfter(HEAD_START * 2);
    let (to, tried) = dialled(&[(V6, refuses), (V4, accepts)]);
    assert_eq!(to.unwrap(), V4);
    assert_eq!(tried, [at(V6, AT_ONCE), at(V4, HEAD_START)]);
}

#[test]
fn dialling_ends_when_the_slower_family_has_refused_too() {
    let late = Then::RefusesAfter(HEAD_START * 2);
    for (first, other) in [(late, Then::Refuses), (late, late)] {
        let (to, tried) = dialled(&[(V6, first), (V4, other)]);
        assert_eq!(to.unwrap_err().kind(), FailureKind::Connect, "{other:?}");
        assert_eq!(tried, [at(V6, AT_ONCE), at(V4, HEAD_START)]);
    }
}

#[test]
fn the_other_family_takes_over_at_once_after_a_refusal() {
    let (to, tried) =
        dialled(&[(V6, Then::Refuses), (OTHER_V6, Then::Refuses), (V4, Then::Accepts)]);
    assert_eq!(to.unwrap(), V4);
    assert_eq!(tried, [at(V6, AT_ONCE), at(OTHER_V6, AT_ONCE), at(V4, AT_ONCE)]);
}

#[test]
fn the_preferred_family_alone_is_tried_if_it_accepts() {
    let in_time = Then::AcceptsAfter(HEAD_START - Duration::from_nanos(1));
    let (to, tried) = dialled(&[(V4, in_time), (V6, Then::Accepts)]);
    assert_eq!(to.unwrap(), V4);
    assert_eq!(tried, [at(V4, AT_ONCE)]);
}

#[test]
fn no_address_and_no_connection_were_never_sent_to() {
    let failure = dialled(&[]).0.unwrap_err();
    assert_eq!((failure.kind(), failure.may_have_left()), (FailureKind::Resolve, false));
    let failure = dialled(&[(V6, Then::Refuses), (V4, Then::Refuses)]).0.unwrap_err();
    assert_eq!((failure.kind(), failure.may_have_left()), (FailureKind::Connect, false));
}
