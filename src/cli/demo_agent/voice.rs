//! How others can tell that the demo agent is well: it posts to its sidecar, and answers on a port.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const BETWEEN_POSTS: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(1);

/// What the agent is doing, as its voice knows it.
#[derive(Debug, Default)]
pub(super) struct Mind {
    step: AtomicU64,
    hanging: AtomicBool,
}

impl Mind {
    pub(super) fn work(&self) -> u64 {
        self.step.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn hang(&self) {
        self.hanging.store(true, Ordering::Relaxed);
    }

    pub(super) fn hangs(&self) -> bool {
        self.hanging.load(Ordering::Relaxed)
    }
}

/// Posts to the sidecar on `port` each second, until the agent hangs. That there is no sidecar is no trouble.
pub(super) fn post(port: u16, mind: Arc<Mind>) {
    std::thread::spawn(move || {
        while !mind.hangs() {
            let _ = post_once(port, mind.step.load(Ordering::Relaxed));
            std::thread::sleep(BETWEEN_POSTS);
        }
    });
}

fn post_once(port: u16, step: u64) -> std::io::Result<()> {
    let body = serde_json::json!({"status": "working", "cycle": step, "task": "demonstration"}).to_string();
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let length = body.len();
    write!(
        stream,
        "POST /heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    // The sidecar closes after its answer.
    stream.take(4096).read_to_end(&mut Vec::new()).map(drop)
}

/// Answers every request on `port` of the loopback, until the agent hangs: then requests wait for ever.
///
/// # Errors
/// The port is taken.
pub(super) fn answer(port: u16, mind: Arc<Mind>) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    std::thread::spawn(move || {
        loop {
            let accepted = listener.accept();
            if mind.hangs() {
                loop {
                    std::thread::park();
                }
            }
            if let Ok((stream, _)) = accepted {
                let _ = answer_once(stream);
            }
        }
    });
    Ok(())
}

fn answer_once(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    // What is asked makes no difference, but an answer before the question is none.
    let _ = stream.read(&mut [0; 4096])?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
}
