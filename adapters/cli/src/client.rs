//! The client of whichever runtime was chosen.

use lp_connector_core::api::Operation;
use lp_connector_core::connector::{Completed, Config};
use lp_connector_core::error::Error;

use crate::args::Runtime;

/// One client, whatever drives it.
#[derive(Debug)]
pub(crate) enum Client {
    Ureq(lp_connector_ureq::Client),
}

impl Client {
    pub(crate) fn new(runtime: Runtime, config: Config) -> Result<Self, Error> {
        match runtime {
            Runtime::Ureq => lp_connector_ureq::Client::new(config).map(Self::Ureq),
        }
    }

    pub(crate) fn call<O: Operation>(&self, operation: O) -> Result<Completed<O::Output>, Error> {
        match self {
            Self::Ureq(client) => client.call(operation),
        }
    }
}
