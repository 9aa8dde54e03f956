//! The channel behind an async bridge.

use lp_connector_core::id::ExtConsumerId;

use super::Download;
use crate::{Undelivered, file, message};

/// Something for a consumer: see [`message::FromAgent`].
pub type FromAgent = message::FromAgent<Download>;

/// The content of a [`FromAgent`]: see [`message::Content`].
pub type Content = message::Content<Download>;

/// A file that an agent sent, whose bytes are downloaded when they are asked for.
pub type File = file::File<Download>;

/// A way to consumers: an SMS gateway, a chat app.
///
/// ```
/// use lp_connector_bridge::{Channel, Content, FromAgent, Undelivered};
/// use lp_connector_core::id::ExtConsumerId;
///
/// struct Terminal;
///
/// impl Channel for Terminal {
///     async fn deliver(&self, to: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
///         match &message.content {
///             Content::Text(text) => println!("to {to}: {}", text.numbered()),
///             Content::File(file) => println!("to {to}: {} bytes", file.bytes().await?.len()),
///             _ => {}
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Channel: Send + Sync + 'static {
    /// Hands a message over to the channel, durably: `Ok` tells the agent that it was delivered.
    ///
    /// Messages of one conversation come in order and one at a time, at least once: a repeat has the same
    /// [`id`](message::FromAgent::id). Statuses of a consumer's own messages come beside them. What takes longer
    /// than the bridge's [time limit](crate::BridgeConfig::attempt_timeout) is dropped, and counts as an outage.
    ///
    /// # Errors
    /// [`Undelivered`] says whether the message waits, or is set aside. A panic counts as neither: the message is
    /// tried five times.
    fn deliver(
        &self,
        to: &ExtConsumerId,
        message: FromAgent,
    ) -> impl Future<Output = Result<(), Undelivered>> + Send;
}
