//! A proxy that makes tunnels to one server, or refuses to.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::raw_server::read_head;

/// A proxy whose tunnels lead to one server, whatever host they are for.
#[derive(Debug)]
pub struct RawProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Connect>>>,
}

/// A request for a tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Connect {
    /// The host and port that it is for.
    pub to: String,
    /// The value of its `Proxy-Authorization`.
    pub authorization: Option<String>,
}

/// What a proxy does with each request for a tunnel.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Policy {
    /// It leads here.
    LeadTo(SocketAddr),
    /// Each byte of the answer comes a little later than the last, for 10 s; it never ends.
    Dribble,
    /// It is refused with this status, and a body that never ends.
    Refuse(u16),
}

impl RawProxy {
    /// Starts on a free port of loopback.
    pub fn start(policy: Policy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        thread::spawn(move || {
            // More connections than any case makes.
            for stream in listener.incoming().take(100).flatten() {
                let seen = seen.clone();
                thread::spawn(move || serve(stream, policy, &seen));
            }
        });
        Self { address, asked }
    }

    /// Its URL, with this before the host: empty, or user and password and `@`.
    pub fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}{}", self.address)
    }

    /// The requests for tunnels.
    pub fn asked(&self) -> Vec<Connect> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, policy: Policy, seen: &Mutex<Vec<Connect>>) {
    let Ok(head) = read_head(&mut client) else { return };
    let mut lines = head.lines();
    let to = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    let mut fields = lines.filter_map(|line| line.split_once(": "));
    let authorization = fields.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
    let authorization = authorization.map(|(_, value)| value.to_owned());
    seen.lock().unwrap().push(Connect { to, authorization });
    let server = match policy {
        Policy::LeadTo(server) => server,
        Policy::Dribble => {
            for byte in b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat_n(&b'x', 500)) {
                if client.write_all(&[*byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            return;
        }
        Policy::Refuse(status) => {
            let refusal = format!("HTTP/1.1 {status} No\r\ncontent-length: 9999\r\n\r\nno");
            let _ = client.write_all(refusal.as_bytes());
            // Until the client gives up.
            let _ = std::io::copy(&mut client, &mut std::io::sink());
            return;
        }
    };
    let Ok(mut server) = TcpStream::connect(server) else { return };
    if client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").is_err() {
        return;
    }
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let forth = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = forth.join();
}
