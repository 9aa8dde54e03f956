//! A program that runs on, and its lines as they come.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a line, or the end, may take: a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lines of an output.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// The next line.
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).unwrap()
    }

    /// The next line with this text.
    pub(crate) fn find(&self, text: &str) -> String {
        loop {
            let line = self.next();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The lines until the end.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.0.iter().collect()
    }

    /// The lines that have come.
    fn so_far(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }
}

/// Waits for the end of a program whose stderr is read meanwhile: one that nobody reads can fill the pipe, and stop it.
/// Where it does not end, the panic says what it has printed, and what its threads wait for.
pub(crate) fn end(child: &mut Child, stderr: &Lines) -> ExitStatus {
    let patience = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= patience {
            let (errors, threads) = (stderr.so_far(), threads(child.id()));
            panic!("the program does not end: {errors:#?}\n{threads}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Each thread's name, state and place in the kernel. Empty on other systems than Linux.
fn threads(process: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let lines_of_each = tasks.into_iter().flatten().flatten().map(|task| {
        let read = |name| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let status = read("status");
        let lines = status.lines().filter(|line| {
            ["Name", "State", "voluntary", "nonvoluntary"].iter().any(|name| line.starts_with(name))
        });
        let lines = lines.collect::<Vec<_>>().join(", ").replace('\t', " ");
        format!("{lines}, in {}, system call {}", read("wchan"), read("syscall"))
    });
    lines_of_each.collect()
}

/// A program that ends with the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Running {
    /// Starts the program with only these environment variables.
    pub(crate) fn start(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        program.env_clear().envs(environment.iter().copied()).args(arguments);
        Self::spawn(program.stdin(Stdio::null()))
    }

    /// Starts a program as it is set up.
    pub(crate) fn spawn(program: &mut Command) -> Self {
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// The next event on stdout.
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.stdout.next()).unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        end(&mut self.child, &self.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
