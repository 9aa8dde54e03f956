//! What the programs share: a file, or a PostgreSQL server that can be stopped, killed and replaced.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use lp_connector_stores::{Cluster, PostgresServer, Replication, Stop};

use crate::ChaosError;
use crate::arguments::Arguments;

/// The schema of the programs.
const SCHEMA: &str = "chaos";

/// The store's engine.
#[derive(Debug)]
pub(crate) enum Engine {
    File(PathBuf),
    /// A server of the environment, of which this program knows the address, and perhaps how to stop it.
    Given {
        place: String,
        control: Option<DebianCluster>,
    },
    Own(Cluster),
    /// A server and its synchronous standby.
    Pair(Cluster, Cluster),
}

impl Engine {
    /// Starts what the options ask for. `None`, and a line that says so: this machine does not have it.
    pub(crate) fn open(arguments: &Arguments, file: PathBuf) -> Result<Option<Self>, ChaosError> {
        if !arguments.postgres {
            return Ok(Some(Self::File(file)));
        }
        let has_server =
            ["LP_TEST_POSTGRES", "PGHOST"].map(std::env::var_os).iter().any(Option::is_some);
        if has_server && !arguments.failover {
            let control = DebianCluster::of_pg_virtualenv();
            if arguments.engine_restart.is_none() || control.is_some() {
                let place = PostgresServer::from_env().map(|server| server.new_schema());
                return Ok(place.map(|place| Self::Given { place, control }));
            }
            println!("the server of the environment is nobody's to stop: another one is started");
        }
        let Some(primary) = Cluster::create()? else { return Ok(None) };
        primary.sql(&format!("CREATE SCHEMA {SCHEMA}"))?;
        Ok(Some(match arguments.failover {
            false => Self::Own(primary),
            true => {
                let standby = primary.standby(Replication::Synchronous)?;
                Self::Pair(primary, standby)
            }
        }))
    }

    /// What an instance opens.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Given { place, .. } => place.clone(),
            Self::Own(cluster) => own_schema(&cluster.url()),
            Self::Pair(primary, standby) => own_schema(&primary.url_with(standby)),
        }
    }

    /// True if the server is one that keeps what it answers: another one may do without flushing.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self, Self::Own(_) | Self::Pair(..))
    }

    pub(crate) fn stop(&self, how: Stop) -> Result<(), ChaosError> {
        match self {
            Self::Given { control: Some(control), .. } => control.stop(how),
            Self::Own(cluster) | Self::Pair(cluster, _) => cluster.stop(how),
            Self::File(_) | Self::Given { .. } => Err("there is no server to stop".into()),
        }
    }

    pub(crate) fn start(&self) -> Result<(), ChaosError> {
        match self {
            Self::Given { control: Some(control), .. } => control.start(),
            Self::Own(cluster) | Self::Pair(cluster, _) => cluster.start(),
            Self::File(_) | Self::Given { .. } => Err("there is no server to start".into()),
        }
    }
}

fn own_schema(url: &str) -> String {
    format!("{url}&options=-csearch_path%3D{SCHEMA}")
}

/// The cluster that `pg_virtualenv` made: Debian's tools stop and start it.
#[derive(Debug)]
pub(crate) struct DebianCluster {
    version: String,
}

impl DebianCluster {
    const NAME: &str = "regress";

    fn of_pg_virtualenv() -> Option<Self> {
        if std::env::var_os("LP_TEST_POSTGRES").is_some() {
            return None;
        }
        let (version, port) = (std::env::var("PGVERSION").ok()?, std::env::var("PGPORT").ok()?);
        let listed = Command::new("pg_lsclusters").arg("--no-header").output().ok()?;
        let listed = String::from_utf8(listed.stdout).ok()?;
        let mut lines = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines
            .any(|line| line.starts_with(&[version.as_str(), Self::NAME, port.as_str()]))
            .then_some(Self { version })
    }

    fn stop(&self, how: Stop) -> Result<(), ChaosError> {
        self.control(&["stop", "--mode", if how == Stop::Fast { "fast" } else { "immediate" }])
    }

    fn start(&self) -> Result<(), ChaosError> {
        self.control(&["start"])
    }

    fn control(&self, arguments: &[&str]) -> Result<(), ChaosError> {
        let mut control = Command::new("pg_ctlcluster");
        control.args(["--skip-systemctl-redirect", &self.version, Self::NAME]).args(arguments);
        // What it starts would keep the pipes of this program open.
        let status =
            control.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("pg_ctlcluster {arguments:?} ended with {status}").into()),
        }
    }
}
