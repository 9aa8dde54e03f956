//! The cases: what the core expects of an adapter, over real sockets.

mod abandoned;
mod connections;
mod http1;
mod idle;
mod options;
mod proxies;
mod responses;
mod retries;
mod sharing;
mod tls;

pub use abandoned::*;
pub use connections::*;
pub use http1::*;
pub use idle::*;
pub use options::*;
pub use proxies::*;
pub use responses::*;
pub use retries::*;
pub use sharing::*;
pub use tls::*;
