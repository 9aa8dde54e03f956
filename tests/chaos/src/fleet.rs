//! The processes of the bridge.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use lp_connector_sandbox::Random;

use crate::engine::Engine;
use crate::program::Program;
use crate::{ChaosError, instance, senders, watch};

/// How often an instance is started before that counts as a failure.
const LAUNCHES: u32 = 40;

/// How long an instance that is to be frozen is given to have a commit in hand.
const SOON: Duration = Duration::from_secs(2);

/// Running instances, and what they are started with.
#[derive(Debug)]
pub(crate) struct Fleet {
    environment: Vec<(&'static str, String)>,
    program: Option<Arc<Program>>,
    /// Another version of this program: each second instance is of it, the first one too.
    beside: Option<PathBuf>,
    launches: AtomicU64,
    /// Instances of this version, and of the other one, that started.
    started: [AtomicU64; 2],
    running: Mutex<Vec<Running>>,
    log: Arc<Log>,
}

/// What the instances say of their work. What one of them did in the moment in which it is killed is missing.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) unconfirmed: Mutex<HashSet<String>>,
    pub(crate) taken_over: AtomicU64,
    /// Lanes of which an instance learned, from a refusal or from its own clock, that it has them no more.
    pub(crate) lost: AtomicU64,
    /// Commits that the store refused.
    pub(crate) fenced: AtomicU64,
}

impl Log {
    /// The consumers of whose messages one was unconfirmed at some time.
    pub(crate) fn doubted_consumers(&self) -> HashSet<String> {
        let messages = self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
        let consumer = |id: &String| senders::consumer_of(id);
        messages.iter().filter_map(consumer).collect()
    }

    fn line(&self, line: &str) {
        match line.split_once(' ') {
            Some(("unconfirmed", message)) => {
                let mut messages = self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
                messages.insert(message.to_owned());
            }
            Some((watch::FENCED, count)) => {
                self.fenced.fetch_add(count.parse().unwrap_or_default(), Ordering::Relaxed);
            }
            None if line == "taken-over" => drop(self.taken_over.fetch_add(1, Ordering::Relaxed)),
            None if line == "commit-lost" => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    address: String,
    /// Something comes when it holds a commit back.
    holds: Receiver<()>,
}

impl Fleet {
    /// A fleet without instances.
    pub(crate) fn new(
        engine: &Engine,
        cloud: &lp_connector_sandbox::Server,
        channel: &str,
        program: Option<Arc<Program>>,
        beside: Option<PathBuf>,
    ) -> Self {
        let mut environment = vec![
            ("LP_ACCOUNT_ID", cloud.account_id()),
            ("LP_CLIENT_ID", cloud.client_id()),
            ("LP_CLIENT_SECRET", cloud.client_secret()),
            ("LP_DOMAIN_API", cloud.base_url()),
            ("CHAOS_STORE", engine.place()),
            ("CHAOS_CHANNEL", channel.to_owned()),
        ];
        if !engine.is_durable() {
            environment.push((instance::ACCEPTS_LOSS, "yes".to_owned()));
        }
        if !matches!(engine, Engine::File(_)) {
            // Where a server is stopped every few seconds too, they fall behind further than the ordinary minute.
            environment.push((instance::SETTLES, "300".to_owned()));
        }
        // An earlier version does not have the key.
        if beside.is_none() {
            environment.push((instance::SEALS, "yes".to_owned()));
        }
        let (launches, started) = (AtomicU64::new(0), Default::default());
        let (running, log) = (Mutex::default(), Arc::default());
        Self { environment, program, beside, launches, started, running, log }
    }

    /// Starts one more.
    pub(crate) fn add(&self) -> Result<(), ChaosError> {
        let running = self.launch()?;
        self.lock().push(running);
        Ok(())
    }

    /// How many of this version were started, and how many of the other one.
    pub(crate) const fn started(&self) -> &[AtomicU64; 2] {
        &self.started
    }

    /// The address of an instance, in turn.
    pub(crate) fn address(&self, turn: usize) -> Option<String> {
        let running = self.lock();
        let at = turn.checked_rem(running.len())?;
        running.get(at).map(|running| running.address.clone())
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Kills an instance, and starts another one in its place.
    pub(crate) fn kill(&self, random: &mut Random) -> Result<(), ChaosError> {
        let at = self.pick(random);
        let old = {
            let mut running = self.lock();
            if at >= running.len() {
                return Ok(());
            }
            running.remove(at)
        };
        end(old);
        self.add()
    }

    /// Stops an instance while `time` runs, if there are others: one that has a commit in hand, if it has one soon.
    pub(crate) fn freeze(
        &self,
        random: &mut Random,
        time: impl FnOnce(),
    ) -> Result<bool, ChaosError> {
        let at = self.pick(random);
        // Out of the list, so that nobody kills it or calls it meanwhile.
        let frozen = {
            let mut running = self.lock();
            if running.len() < 2 || at >= running.len() {
                return Ok(false);
            }
            running.remove(at)
        };
        let hold = ureq::post(format!("http://{}/hold", frozen.address)).config();
        let held = hold.timeout_global(Some(SOON)).proxy(None).build().send_empty();
        // A program of another version has no commit to hold back.
        if held.is_ok() {
            let _ = frozen.holds.recv_timeout(SOON);
        }
        signal(&frozen.child, rustix::process::Signal::STOP)?;
        time();
        signal(&frozen.child, rustix::process::Signal::CONT)?;
        // What it has to tell is heard.
        std::thread::sleep(Duration::from_millis(300));
        self.lock().push(frozen);
        Ok(true)
    }

    pub(crate) fn stop(&self) {
        for running in self.lock().drain(..) {
            end(running);
        }
    }

    fn pick(&self, random: &mut Random) -> usize {
        let count = self.lock().len().max(1) as u64;
        usize::try_from(random.next() % count).unwrap_or_default()
    }

    /// Starts an instance. One that cannot start, because the store is out of order, is started again.
    fn launch(&self) -> Result<Running, ChaosError> {
        for _ in 1..LAUNCHES {
            if let Ok(running) = self.launch_once() {
                return Ok(running);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        self.launch_once()
    }

    fn launch_once(&self) -> Result<Running, ChaosError> {
        let number = self.launches.fetch_add(1, Ordering::Relaxed);
        let beside = self.beside.as_ref().filter(|_| number.is_multiple_of(2));
        let [this, other] = &self.started;
        let started = if beside.is_some() { other } else { this };
        let mut command = match (&self.program, beside) {
            (Some(program), _) => {
                let mut command = Command::new(&program.binary);
                command.args(["--json", "bridge", "--config"]).arg(&program.config);
                command
            }
            (None, Some(other)) => Command::new(other),
            (None, None) => Command::new(std::env::current_exe()?),
        };
        if self.program.is_none() {
            command.arg(instance::COMMAND);
        }
        let mut child = command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = child.stderr.take().map(hear);
        let stdout = child.stdout.take().ok_or("the instance has no stdout")?;
        let mut lines = BufReader::new(stdout);
        let mut address = String::new();
        while address.is_empty() || self.program.is_some() && !address.contains("bridge_ready") {
            address.clear();
            if lines.read_line(&mut address)? == 0 {
                let status = child.wait()?;
                let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
                return Err(format!("an instance did not start: {status}: {said}").into());
            }
        }
        started.fetch_add(1, Ordering::Relaxed);
        let log = self.log.clone();
        let (sender, holds) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if line == watch::HOLDS {
                    let _ = sender.send(());
                }
                log.line(&line);
            }
        });
        let address = match &self.program {
            Some(program) => program.webhooks.clone(),
            None => address.trim().to_owned(),
        };
        Ok(Running { child, address, holds })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Passes on what an instance says on stderr, but for the error it ends with, which is returned.
fn hear(stderr: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut last = String::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            match line.strip_prefix("error: ") {
                Some(error) => last = error.to_owned(),
                None => eprintln!("{line}"),
            }
        }
        last
    })
}

/// SIGKILL.
fn end(mut running: Running) {
    let _ = running.child.kill();
    let _ = running.child.wait();
}

fn signal(child: &Child, signal: rustix::process::Signal) -> Result<(), ChaosError> {
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id())?).ok_or("no process id")?;
    Ok(rustix::process::kill_process(id, signal)?)
}
