//! A pool of connections between the programs and a server: pgbouncer in transaction mode.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Cluster;
use crate::cluster::{ClusterError, free_port};

/// A pgbouncer in front of a [`Cluster`]. Each transaction may get another one of two connections, and no session
/// belongs to anybody.
#[derive(Debug)]
pub struct Pooler {
    child: Child,
    port: u16,
}

impl Pooler {
    /// Starts it for these users. `None`, and a line that says so, where it is not installed.
    ///
    /// # Errors
    /// It does not start within a minute.
    pub fn start(cluster: &Cluster, users: &[String]) -> Result<Option<Self>, ClusterError> {
        let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let Some(program) = places.iter().find(|place| std::path::Path::new(place).exists()) else {
            println!("skipped: pgbouncer is not installed");
            return Ok(None);
        };
        let port = free_port()?;
        let list: String = users.iter().map(|user| format!("\"{user}\" \"\"\n")).collect();
        let list = cluster.write("users.txt", &list)?;
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\n",
            cluster.port(),
            list.display(),
        );
        let settings = cluster.write("pgbouncer.ini", &settings)?;
        let log = settings.with_extension("log");
        let mut command = Command::new(program);
        command
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        if let Some((user, group)) = cluster.user() {
            command.uid(user).gid(group);
        }
        let mut pooler = Self { child: command.spawn()?, port };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until || pooler.child.try_wait()?.is_some() {
                return Err(
                    format!("pgbouncer did not start: {}", std::fs::read_to_string(log)?).into()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(pooler))
    }

    /// The address of the database for this user.
    #[must_use]
    pub fn url(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
