use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use smol::net::TcpStream;
use socket2::SockRef;

use super::*;

/// A runtime whose time is the test's.
#[derive(Clone, Default)]
struct Scripted(Arc<TestClock>);

#[derive(Default)]
struct TestClock {
    state: Mutex<ClockState>,
    /// How many timers were set.
    set: AtomicUsize,
    /// Each timer wakes within its own poll too, for nothing.
    wakes_early: AtomicBool,
    /// The next timer cannot be set.
    panics: AtomicBool,
    /// How often the clock is read before so much time passes at once.
    readings: AtomicUsize,
    passes_then: AtomicU64,
}

#[derive(Default)]
struct ClockState {
    now: u64,
    timers: BTreeMap<(u64, usize), Waker>,
}

/// A timer that is forgotten when it is dropped.
struct TimerGuard<'a>(&'a TestClock, (u64, usize));

impl Drop for TimerGuard<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().timers.remove(&self.1);
    }
}

impl Runtime for Scripted {
    type Stream = TcpStream;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<TcpStream> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    fn socket(stream: &TcpStream) -> SockRef<'_> {
        stream.into()
    }

    async fn sleep(&self, time: Duration) {
        let clock = &*self.0;
        assert!(!clock.panics.swap(false, Ordering::Relaxed), "there is no runtime");
        let number = clock.set.fetch_add(1, Ordering::Relaxed);
        let at = clock.state.lock().unwrap().now + u64::try_from(time.as_nanos()).unwrap();
        let timer = TimerGuard(clock, (at, number));
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            let mut state = clock.state.lock().unwrap();
            if state.now >= at {
                return Poll::Ready(());
            }
            state.timers.insert(timer.1, context.waker().clone());
            drop(state);
            if polls < 3 && clock.wakes_early.load(Ordering::Relaxed) {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    fn has_global_timers(&self) -> bool {
        true
    }
}

/// The same, which says nothing of its timers.
struct Plain(Scripted);

impl Runtime for Plain {
    type Stream = TcpStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.resolve(host, port).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.connect(address).await
    }

    fn socket(stream: &TcpStream) -> SockRef<'_> {
        stream.into()
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }
}

impl Scripted {
    fn deadlines(&self) -> Deadlines<Self> {
        let runtime = self.clone();
        let clock = move || {
            let now = runtime.0.state.lock().unwrap().now;
            if runtime.0.readings.fetch_sub(1, Ordering::Relaxed) == 1 {
                runtime.pass(runtime.0.passes_then.load(Ordering::Relaxed));
            }
            at(now)
        };
        Deadlines::new(self.clone(), Box::new(clock))
    }

    /// Lets time pass: each timer that is due wakes once.
    fn pass(&self, time: u64) {
        let due = {
            let mut state = self.0.state.lock().unwrap();
            state.now += time;
            let now = state.now;
            let later = state.timers.split_off(&(now + 1, 0));
            mem::replace(&mut state.timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    fn timers_set(&self) -> usize {
        self.0.set.load(Ordering::Relaxed)
    }
}

fn at(nanos: u64) -> Mono {
    Mono::from_origin(Duration::from_nanos(nanos))
}

/// A task of which only the waking is of interest.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An attempt that waits for its deadline.
struct Attempt<'a> {
    task: Arc<Task>,
    waiting: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

impl<'a> Attempt<'a> {
    fn begin(deadlines: &'a Deadlines<Scripted>, until: u64) -> Self {
        let waiting = Box::pin(deadlines.wait_until(at(until), at(0)));
        let mut attempt = Self { task: Arc::default(), waiting };
        assert!(!attempt.is_over());
        attempt
    }

    fn is_over(&mut self) -> bool {
        let waker = Waker::from(self.task.clone());
        self.waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }

    fn wakes(&self) -> usize {
        self.task.0.load(Ordering::Relaxed)
    }
}

#[test]
fn all_deadlines_pass_after_a_runtime_has_panicked() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let mut before = Attempt::begin(&deadlines, 30);
    runtime.0.panics.store(true, Ordering::Relaxed);
    let begin = AssertUnwindSafe(|| drop(Attempt::begin(&deadlines, 10)));
    assert!(catch_unwind(begin).is_err());
    assert_eq!(before.wakes(), 1, "it is asked to set the timer again");
    assert!(!before.is_over());
    let mut after = Attempt::begin(&deadlines, 20);
    runtime.pass(20);
    assert!(after.is_over() && !before.is_over());
    runtime.pass(10);
    assert!(before.is_over());
}

/// Nobody else comes who would.
#[test]
fn who_waited_sets_the_timer_that_a_panic_took() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let mut before = Attempt::begin(&deadlines, 30);
    runtime.0.panics.store(true, Ordering::Relaxed);
    let begin = AssertUnwindSafe(|| drop(Attempt::begin(&deadlines, 10)));
    assert!(catch_unwind(begin).is_err());
    assert!(!before.is_over());
    runtime.pass(30);
    assert_eq!((before.wakes(), before.is_over()), (2, true));
}

#[test]
fn attempts_one_after_the_other_share_one_timer() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    for n in 0..100 {
        let mut attempt = Attempt::begin(&deadlines, 1000 + n);
        runtime.pass(1);
        assert!(!attempt.is_over());
    }
    assert_eq!(runtime.timers_set(), 1);
}

/// As tokio has it, whose timers wake only while their own runtime runs.
#[test]
fn unless_a_runtime_says_otherwise_each_attempt_has_a_timer() {
    let runtime = Scripted::default();
    let deadlines = Deadlines::new(Plain(runtime.clone()), Box::new(|| at(0)));
    let mut waiting = [10, 20].map(|until| Box::pin(deadlines.wait_until(at(until), at(0))));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
    assert_eq!(runtime.timers_set(), 2);
}

#[test]
fn each_attempt_is_woken_once_and_at_its_deadline() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let mut attempts: Vec<_> =
        [30, 10, 20, 10].map(|until| (until, Attempt::begin(&deadlines, until))).into();
    for now in 1..=40 {
        runtime.pass(1);
        for (until, attempt) in &attempts {
            assert_eq!(attempt.wakes(), usize::from(*until <= now), "at {now}, until {until}");
        }
    }
    assert!(attempts.iter_mut().all(|(_, attempt)| attempt.is_over()));
}

#[test]
fn an_attempt_that_ends_early_holds_up_no_other() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let first = Attempt::begin(&deadlines, 10);
    let mut second = Attempt::begin(&deadlines, 20);
    drop(first);
    runtime.pass(19);
    assert!(!second.is_over());
    runtime.pass(1);
    assert_eq!((second.wakes(), second.is_over()), (1, true));
}

#[test]
fn an_attempt_that_nobody_polls_holds_up_no_other() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let never_polled_again = Attempt::begin(&deadlines, 10);
    let mut second = Attempt::begin(&deadlines, 20);
    runtime.pass(15);
    assert_eq!(never_polled_again.wakes(), 1);
    runtime.pass(5);
    assert_eq!((second.wakes(), second.is_over()), (1, true));
}

#[test]
fn an_attempt_after_a_long_rest_is_woken_in_time() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    drop(Attempt::begin(&deadlines, 10));
    runtime.pass(100);
    let mut attempt = Attempt::begin(&deadlines, 120);
    runtime.pass(20);
    assert_eq!((attempt.wakes(), attempt.is_over()), (1, true));
    assert_eq!(runtime.timers_set(), 2);
}

#[test]
fn a_deadline_that_has_passed_wakes_at_once() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    runtime.pass(10);
    let mut attempt = Attempt::begin(&deadlines, 10);
    assert_eq!((attempt.wakes(), attempt.is_over()), (1, true));
}

#[test]
fn the_task_that_polled_last_is_woken() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let mut attempt = Attempt::begin(&deadlines, 10);
    let before = mem::take(&mut attempt.task);
    assert!(!attempt.is_over());
    runtime.pass(10);
    assert_eq!((before.0.load(Ordering::Relaxed), attempt.wakes()), (0, 1));
}

/// Each answer of a server polls its attempt: that must not cost a turn with the timer.
#[test]
fn a_poll_in_between_leaves_the_timer_alone() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let mut attempts = [10, 20].map(|until| Attempt::begin(&deadlines, until));
    runtime.0.readings.store(7, Ordering::Relaxed);
    assert!(attempts.iter_mut().all(|attempt| !attempt.is_over()));
    assert_eq!(runtime.0.readings.load(Ordering::Relaxed), 7, "nobody has looked at the clock");
}

#[test]
fn a_timer_may_keep_the_waker_that_it_wakes() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let mut attempt = Attempt::begin(&deadlines, 10);
    let timer = {
        let mut state = runtime.0.state.lock().unwrap();
        state.now = 10;
        state.timers.first_key_value().unwrap().1.clone()
    };
    timer.wake_by_ref();
    assert_eq!((attempt.wakes(), attempt.is_over()), (1, true));
}

#[test]
fn a_timer_that_wakes_for_nothing_changes_nothing() {
    let runtime = Scripted::default();
    runtime.0.wakes_early.store(true, Ordering::Relaxed);
    let deadlines = runtime.deadlines();
    let mut attempt = Attempt::begin(&deadlines, 10);
    deadlines.shared.as_ref().unwrap().wake_by_ref();
    assert_eq!((attempt.wakes(), attempt.is_over()), (0, false));
    runtime.pass(10);
    assert_eq!((attempt.wakes(), attempt.is_over()), (1, true));
    assert_eq!(runtime.timers_set(), 1);
}

#[test]
fn a_timer_that_wakes_while_it_is_set_is_not_missed() {
    let runtime = Scripted::default();
    runtime.0.readings.store(2, Ordering::Relaxed);
    runtime.0.passes_then.store(10, Ordering::Relaxed);
    let deadlines = runtime.deadlines();
    let mut attempt = Attempt::begin(&deadlines, 10);
    assert_eq!((attempt.wakes(), attempt.is_over()), (1, true));
}

#[test]
fn nothing_is_left_behind() {
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    drop([10, 20, 5].map(|until| Attempt::begin(&deadlines, until)));
    let shared = Arc::downgrade(deadlines.shared.as_ref().unwrap());
    assert!(shared.upgrade().unwrap().lock().waiting.is_empty());
    drop(deadlines);
    assert!(shared.upgrade().is_none(), "the timer is dropped with the client");
    assert!(runtime.0.state.lock().unwrap().timers.is_empty());
}

/// One of those that run, until it is dropped: a thread that panics runs no longer too.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn deadlines_from_many_threads_are_all_met() {
    const THREADS: u64 = 4;
    let runtime = Scripted::default();
    let deadlines = runtime.deadlines();
    let running = AtomicUsize::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (runtime, deadlines, running) = (&runtime, &deadlines, &running);
            scope.spawn(move || {
                let _running = Running(running);
                for n in 0..300 {
                    let now = runtime.0.state.lock().unwrap().now;
                    let until = now + 1 + (n * 7 + thread * 13) % 50;
                    let waiting = pin!(deadlines.wait_until(at(until), at(now)));
                    smol::future::block_on(waiting);
                    assert!(runtime.0.state.lock().unwrap().now >= until);
                }
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            runtime.pass(1);
            thread::yield_now();
        }
    });
}
