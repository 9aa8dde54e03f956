//! A PostgreSQL cluster of a test's own: it is made, stopped, killed, copied and promoted at will.

use std::error::Error;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Why a cluster did not do what it was told.
pub type ClusterError = Box<dyn Error + Send + Sync>;

/// How long a program of the server may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Below the ports that the system gives to those who connect: none of them takes a stopped server's port.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// How a server ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a test names one of them")]
pub enum Stop {
    /// Transactions are rolled back, and a checkpoint is written.
    Fast,
    /// Nothing is written: the next start recovers.
    Immediate,
    /// SIGKILL to the server, whose other processes end by themselves.
    Kill,
}

/// Whether a commit waits for the standby.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a test names one of them")]
pub enum Replication {
    /// It does.
    Synchronous,
    /// It does not.
    Asynchronous,
}

/// A server of its own on 127.0.0.1, in a directory that is removed with it. It flushes, and asks for no password.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    /// The user and the group `postgres`, if this program runs as root: the server refuses root.
    user: Option<(u32, u32)>,
    directory: TempDir,
    port: u16,
}

impl Cluster {
    /// Makes a cluster and starts it. `None`, and a line that says so, where PostgreSQL is not installed.
    ///
    /// # Errors
    /// A program of the server fails, or does not end in time.
    pub fn create() -> Result<Option<Self>, ClusterError> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL's initdb is neither in PATH nor in /usr/lib/postgresql");
            return Ok(None);
        };
        let cluster = Self::empty(programs)?;
        let mut initdb = cluster.program("initdb");
        initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"]);
        finish(initdb.arg("--pgdata").arg(cluster.data()), &cluster.log("initdb"))?;
        cluster.configure("")?;
        cluster.start()?;
        Ok(Some(cluster))
    }

    fn empty(programs: PathBuf) -> Result<Self, ClusterError> {
        let directory = tempfile::Builder::new().prefix("lp-cluster-").tempdir()?;
        let number = |option| -> Result<u32, ClusterError> {
            let found = Command::new("id").args([option, "postgres"]).output()?;
            Ok(String::from_utf8(found.stdout)?.trim().parse()?)
        };
        let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
            use std::os::unix::fs::MetadataExt as _;
            own.uid() == 0
        });
        let user = if is_root { Some((number("-u")?, number("-g")?)) } else { None };
        if let Some((user, group)) = user {
            chown(directory.path(), Some(user), Some(group))?;
        }
        Ok(Self { programs, user, directory, port: free_port()? })
    }

    fn configure(&self, more: &str) -> Result<(), ClusterError> {
        let text = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = on\n\
             max_connections = 200\nshared_buffers = '32MB'\nlog_checkpoints = off\n{more}\n",
            self.port
        );
        let path = self.data().join("postgresql.conf");
        let before = fs::read_to_string(&path)?;
        Ok(fs::write(path, before + &text)?)
    }

    /// The addresses of its database for [`Postgres::connect`](lp_connector_postgres::Postgres::connect).
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// The address of this cluster and another one: the one that can be written is used.
    #[must_use]
    pub fn url_with(&self, other: &Self) -> String {
        let hosts = format!("127.0.0.1:{},127.0.0.1:{}", self.port, other.port);
        format!("postgres://postgres@{hosts}/postgres?sslmode=disable")
    }

    /// Starts it again. After a kill, it waits until the processes of the dead server have ended.
    ///
    /// # Errors
    /// It does not start within a minute.
    pub fn start(&self) -> Result<(), ClusterError> {
        let until = Instant::now() + LIMIT;
        loop {
            let mut start = self.control(&["start", "-w", "-t", "60", "-l"]);
            start.arg(self.log("server"));
            match finish(&mut start, &self.log("start")) {
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Ends it, and returns once it has ended.
    ///
    /// # Errors
    /// It does not run, or does not end within a minute.
    pub fn stop(&self, how: Stop) -> Result<(), ClusterError> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
            Stop::Kill => return self.kill(),
        };
        finish(&mut self.control(&["stop", "-w", "-t", "60", "-m", mode]), &self.log("stop"))
    }

    fn kill(&self) -> Result<(), ClusterError> {
        let file = fs::read_to_string(self.data().join("postmaster.pid"))?;
        let id = file.lines().next().ok_or("the server's file names no process")?.trim().to_owned();
        let children = children(&id);
        signal("KILL", &id)?;
        // Its connections are processes of their own, and would go on for moments: what they answer still counts.
        for child in &children {
            let _ = signal("KILL", child);
        }
        let until = Instant::now() + LIMIT;
        while is_running(&id) || children.iter().any(|child| is_running(child)) {
            if Instant::now() > until {
                return Err("the killed server does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Another cluster that follows this one, once it does.
    ///
    /// # Errors
    /// A program of the server fails, or the standby does not follow within a minute.
    pub fn standby(&self, replication: Replication) -> Result<Self, ClusterError> {
        let standby = Self::empty(self.programs.clone())?;
        let from = format!("host=127.0.0.1 port={} user=postgres", self.port);
        let mut copy = standby.program("pg_basebackup");
        copy.args([
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
        ])
        .args(["--create-slot", "--slot=standby", "--dbname", &from, "--pgdata"])
        .arg(standby.data());
        finish(&mut copy, &standby.log("copy"))?;
        standby.configure("cluster_name = 'standby'\n")?;
        standby.start()?;
        let state = match replication {
            Replication::Asynchronous => "async",
            Replication::Synchronous => {
                self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
                self.sql("SELECT pg_reload_conf()")?;
                "sync"
            }
        };
        let follows = format!(
            "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{state}'"
        );
        let until = Instant::now() + LIMIT;
        while self.sql(&follows)?.is_empty() {
            if Instant::now() > until {
                return Err("the standby does not follow".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(standby)
    }

    /// Makes a standby a server that can be written.
    ///
    /// # Errors
    /// It is none, or is not promoted within a minute.
    pub fn promote(&self) -> Result<(), ClusterError> {
        finish(&mut self.control(&["promote", "-w", "-t", "60"]), &self.log("promote"))
    }

    /// Stops what receives the primary's changes for a standby, for this long: meanwhile it acknowledges nothing.
    ///
    /// # Errors
    /// This is no standby, or it does not follow.
    pub fn deafen(&self, time: impl FnOnce()) -> Result<(), ClusterError> {
        let receiver = self.sql("SELECT pid FROM pg_stat_wal_receiver")?;
        let id = receiver.first().ok_or("the standby does not follow")?;
        signal("STOP", id)?;
        time();
        signal("CONT", id)
    }

    /// The first columns of what this statement answers.
    ///
    /// # Errors
    /// The server is not there, or refuses it.
    pub fn sql(&self, statement: &str) -> Result<Vec<String>, ClusterError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
            let connection = tokio::spawn(connection);
            let answers = client.simple_query(statement).await?;
            drop(client);
            connection.await??;
            let rows = answers.iter().filter_map(|answer| match answer {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            Ok(rows.collect())
        })
    }

    /// Writes a file for the server's user alone, beside its data.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf, ClusterError> {
        let path = self.directory.path().join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        if let Some((user, group)) = self.user {
            chown(&path, Some(user), Some(group))?;
        }
        Ok(path)
    }

    pub(crate) fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn control(&self, arguments: &[&str]) -> Command {
        let mut control = self.program("pg_ctl");
        control.arg("--pgdata").arg(self.data()).args(arguments);
        control
    }

    /// A program of the server, without the variables of another server.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.stop(Stop::Immediate);
    }
}

/// Where the programs of a server are: the first in PATH, else the newest that is installed.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path()).collect();
    versions.sort_by_key(|path| path.file_name()?.to_str()?.parse::<u32>().ok());
    places.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    let needed = ["initdb", "pg_ctl", "pg_basebackup"];
    places.into_iter().find(|place| needed.iter().all(|name| place.join(name).exists()))
}

pub(crate) fn free_port() -> Result<u16, ClusterError> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in PORTS {
        let place =
            std::process::id().wrapping_mul(97) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(place % u32::from(PORTS.end - PORTS.start))?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}

/// Waits until a program has ended well. What it says goes into a file: a server that it starts inherits that.
fn finish(command: &mut Command, log: &Path) -> Result<(), ClusterError> {
    let file = File::create(log)?;
    command.stdout(file.try_clone()?).stderr(file);
    let mut child = command.spawn()?;
    let until = Instant::now() + LIMIT + Duration::from_secs(5);
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > until => {
                child.kill()?;
                break child.wait()?;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    match status.success() {
        true => Ok(()),
        false => {
            let said = fs::read_to_string(log)?;
            let name = command.get_program().to_string_lossy();
            Err(format!("{name} ended with {status}: {}", said.trim()).into())
        }
    }
}

fn signal(signal: &str, process: &str) -> Result<(), ClusterError> {
    let sent = Command::new("kill").args(["-s", signal, process]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("process {process} is not there").into()) }
}

/// The processes that this one has started, and that run.
fn children(process: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = all.filter_map(|one| one.file_name().into_string().ok());
    names.filter(|one| stat(one).nth(1).as_deref() == Some(process)).collect()
}

/// What the system says of a process: its state, the process that started it, and more.
fn stat(process: &str) -> impl Iterator<Item = String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    rest.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// A process that has ended, and of which nobody took note, does not run.
fn is_running(process: &str) -> bool {
    stat(process).next().is_some_and(|state| state != "Z")
}
