//! The adapters, used as documented.

use std::sync::Arc;
use std::thread;

use lp_connector_async::{Client, Runtime};
use lp_connector_core::api::ConversationRef;
use lp_connector_core::connector::{Config, Trust};
use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_core::secret::Secret;

use super::Progress;
use crate::BenchError;
use crate::cases::cloud::{TEXT, conversation};

/// The configuration for a server on loopback, with a connection for each caller.
fn config(callers: usize, base: &str) -> Result<Config, BenchError> {
    Ok(Config::new(AccountId::new("91827364")?)
        .credentials(ClientId::new("0a1b2c3d")?, Secret::new("n3v3r".to_owned()))
        .trust(Trust::new(base, ["liveperson.net"])?)
        .max_connections(callers.max(64)))
}

fn conversation_of(caller: usize) -> Result<ConversationRef, BenchError> {
    let consumer = ExtConsumerId::new(format!("pigeon-ring-{caller:08}"))?;
    Ok(ConversationRef::new(consumer, conversation()))
}

pub(super) fn on_ureq(
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
) -> Result<(), BenchError> {
    let client = lp_connector_ureq::Client::new(config(callers, base)?)?;
    thread::scope(|scope| {
        let senders: Vec<_> = (0..callers)
            .map(|caller| {
                let client = client.clone();
                scope.spawn(move || -> Result<(), BenchError> {
                    let conversation = conversation_of(caller)?;
                    loop {
                        client.send_text(&conversation, TEXT)?;
                        if !progress.count_message() {
                            return Ok(());
                        }
                    }
                })
            })
            .collect();
        senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| "a panic")?)
    })
}

pub(super) fn on_tokio(
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
) -> Result<(), BenchError> {
    let config = config(callers, base)?;
    super::bare::in_tokio(callers, progress, move || {
        let client = lp_connector_tokio::Client::new(config)?;
        Ok(move |caller, progress| send_texts(client.clone(), caller, progress))
    })
}

pub(super) fn on_async_std(
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
) -> Result<(), BenchError> {
    let client = lp_connector_async_std::Client::new(config(callers, base)?)?;
    let spawn =
        |caller| async_std::task::spawn(send_texts(client.clone(), caller, progress.clone()));
    let senders: Vec<_> = (0..callers).map(spawn).collect();
    async_std::task::block_on(all_of(senders))
}

pub(super) fn on_smol(
    callers: usize,
    base: &str,
    progress: &Arc<Progress>,
) -> Result<(), BenchError> {
    let client = lp_connector_smol::Client::new(config(callers, base)?)?;
    let spawn = |caller| smol::spawn(send_texts(client.clone(), caller, progress.clone()));
    let senders: Vec<_> = (0..callers).map(spawn).collect();
    smol::block_on(all_of(senders))
}

/// One caller of an async client, until all messages are sent.
async fn send_texts<R: Runtime>(
    client: Client<R>,
    caller: usize,
    progress: Arc<Progress>,
) -> Result<(), BenchError> {
    let conversation = conversation_of(caller)?;
    loop {
        client.send_text(&conversation, TEXT).await?;
        if !progress.count_message() {
            return Ok(());
        }
    }
}

async fn all_of<T>(senders: Vec<T>) -> Result<(), BenchError>
where
    T: Future<Output = Result<(), BenchError>>,
{
    for sender in senders {
        sender.await?;
    }
    Ok(())
}
