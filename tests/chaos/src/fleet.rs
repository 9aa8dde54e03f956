//! The processes of the bridge.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lp_connector_sandbox::Random;

use crate::program::Program;
use crate::{ChaosError, instance};

/// How often an instance is started before that counts as a failure.
const LAUNCHES: u32 = 40;

/// Running instances, and what they are started with.
#[derive(Debug)]
pub(crate) struct Fleet {
    environment: Vec<(&'static str, String)>,
    program: Option<Arc<Program>>,
    running: Mutex<Vec<Running>>,
    log: Arc<Log>,
}

/// What the instances say of their work. What one of them did in the moment in which it is killed is missing.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) unconfirmed: Mutex<HashSet<String>>,
    pub(crate) taken_over: AtomicU64,
    pub(crate) lost_commits: AtomicU64,
}

impl Log {
    fn line(&self, line: &str) {
        match line.split_once(' ') {
            Some(("unconfirmed", message)) => {
                let mut messages = self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
                messages.insert(message.to_owned());
            }
            None if line == "taken-over" => drop(self.taken_over.fetch_add(1, Ordering::Relaxed)),
            None if line == "commit-lost" => {
                self.lost_commits.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    address: String,
}

impl Fleet {
    pub(crate) fn start(
        count: usize,
        store: &str,
        cloud: &lp_connector_sandbox::Server,
        channel: &str,
        program: Option<Arc<Program>>,
    ) -> Result<Self, ChaosError> {
        let environment = vec![
            ("LP_ACCOUNT_ID", cloud.account_id()),
            ("LP_CLIENT_ID", cloud.client_id()),
            ("LP_CLIENT_SECRET", cloud.client_secret()),
            ("LP_DOMAIN_API", cloud.base_url()),
            ("CHAOS_STORE", store.to_owned()),
            ("CHAOS_CHANNEL", channel.to_owned()),
        ];
        let fleet = Self { environment, program, running: Mutex::default(), log: Arc::default() };
        for _ in 0..count {
            let running = fleet.launch()?;
            fleet.lock().push(running);
        }
        Ok(fleet)
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
        let running = self.launch()?;
        self.lock().push(running);
        Ok(())
    }

    /// Stops an instance for a while.
    pub(crate) fn freeze(&self, random: &mut Random, time: Duration) -> Result<(), ChaosError> {
        let at = self.pick(random);
        // Out of the list, so that nobody kills it or calls it meanwhile.
        let frozen = {
            let mut running = self.lock();
            if running.len() < 2 || at >= running.len() {
                return Ok(());
            }
            running.remove(at)
        };
        signal(&frozen.child, rustix::process::Signal::STOP)?;
        std::thread::sleep(time);
        signal(&frozen.child, rustix::process::Signal::CONT)?;
        self.lock().push(frozen);
        Ok(())
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
        let mut command = match &self.program {
            Some(program) => {
                let mut command = Command::new(&program.binary);
                command.args(["--json", "bridge", "--config"]).arg(&program.config);
                command
            }
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(instance::COMMAND);
                command
            }
        };
        let mut child = command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the instance has no stdout")?;
        let mut lines = BufReader::new(stdout);
        let mut address = String::new();
        while address.is_empty() || self.program.is_some() && !address.contains("bridge_ready") {
            address.clear();
            if lines.read_line(&mut address)? == 0 {
                return Err(format!("an instance did not start: {}", child.wait()?).into());
            }
        }
        let log = self.log.clone();
        std::thread::spawn(move || {
            lines.lines().map_while(Result::ok).for_each(|line| log.line(&line))
        });
        let address = match &self.program {
            Some(program) => program.webhooks.clone(),
            None => address.trim().to_owned(),
        };
        Ok(Running { child, address })
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

/// SIGKILL.
fn end(mut running: Running) {
    let _ = running.child.kill();
    let _ = running.child.wait();
}

fn signal(child: &Child, signal: rustix::process::Signal) -> Result<(), ChaosError> {
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id())?).ok_or("no process id")?;
    Ok(rustix::process::kill_process(id, signal)?)
}
