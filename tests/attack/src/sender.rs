//! The legitimate sender: it posts signed notifications over new connections and over kept ones.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lp_connector_axum::secret::Secret;
use lp_connector_axum::webhook::{Algorithm, Encoding, sign};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::endpoint::SECRET;
use crate::{AttackError, IN_TIME};

/// The time between two posts of a sender.
const PAUSE: Duration = Duration::from_millis(40);

/// How many senders keep their connection, and how many open a new one for each post.
const SENDERS: [(bool, u64); 2] = [(true, 2), (false, 2)];

/// Each post of so many is a large one, with a file's preview.
const LARGE: u64 = 16;

/// What became of the posts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) posts: usize,
    /// Those that were answered 200.
    pub(crate) good: usize,
    pub(crate) slowest: Duration,
}

/// Posts for so long.
pub(crate) fn send(address: SocketAddr, time: Duration) -> Result<Tally, AttackError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut posts = JoinSet::new();
        for (keeps, count) in SENDERS {
            for sender in 0..count {
                posts.spawn(sender_loop(address, keeps, sender, time));
            }
        }
        let mut all = Tally::default();
        while let Some(tally) = posts.join_next().await {
            let tally = tally?;
            all.posts += tally.posts;
            all.good += tally.good;
            all.slowest = all.slowest.max(tally.slowest);
        }
        Ok(all)
    })
}

async fn sender_loop(address: SocketAddr, keeps: bool, sender: u64, time: Duration) -> Tally {
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut kept = None;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0.. {
        ticks.tick().await;
        if start.elapsed() >= time {
            break;
        }
        let request = request(&format!("{keeps}-{sender}-{n}"), n % LARGE == LARGE - 1);
        let begun = Instant::now();
        let answer = timeout(IN_TIME, post(address, kept.take(), &request)).await;
        tally.posts += 1;
        tally.slowest = tally.slowest.max(begun.elapsed());
        if let Ok(Ok((200, stream))) = answer {
            tally.good += 1;
            kept = keeps.then_some(stream);
        }
    }
    tally
}

/// A signed notification, as the platform sends it.
fn request(id: &str, large: bool) -> Vec<u8> {
    let text = "x".repeat(if large { 300_000 } else { 1500 });
    let body = format!(
        r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":0,
        "originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"{id}",
        "event":{{"type":"ContentEvent","contentType":"text/plain","message":"{text}"}}}}]}}}}"#
    );
    let secret = Secret::new(SECRET.to_owned());
    let signature = sign(&secret, Algorithm::Sha1, Encoding::Base64, body.as_bytes());
    format!(
        "POST /lp HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nx-liveperson-signature: {signature}\r\n\r\n\
         {body}",
        body.len()
    )
    .into_bytes()
}

/// Posts over the kept connection or a new one. Returns the status and the connection.
async fn post(
    address: SocketAddr,
    kept: Option<TcpStream>,
    request: &[u8],
) -> io::Result<(u16, TcpStream)> {
    let mut stream = match kept {
        Some(kept) => kept,
        None => TcpStream::connect(address).await?,
    };
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    // The body is "OK".
    while !(answer.ends_with(b"\r\n\r\nOK")) {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    let status =
        answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((status, stream))
}
