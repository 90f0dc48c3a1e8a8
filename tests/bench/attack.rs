//! Those who mean harm, in a process of their own: some send junk as fast as they are let, some send next to nothing.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::Result;
use crate::server::Ready;
use crate::wire::{Door, ask, head};

/// Attackers behind one address: enough addresses that none runs out of ports. The slow ones are more than the gateway bears
/// from one, and than it bears altogether.
const JUNK_OF_SOURCE: usize = 10;
const SLOW_OF_SOURCE: usize = 250;
/// Who is not let in at all tries again after this.
const PAUSE: Duration = Duration::from_millis(20);
const HUGE: usize = 1 << 20;
const BEAT: &str = r#"{"protocol":1,"agent":"Healthy"}"#;

/// What the attackers are told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The gateway.
    pub gateway: Ready,
    /// Connections that send junk.
    pub junk: usize,
    /// Connections that send next to nothing.
    pub slow: usize,
    /// A token of a pod that is not an agent.
    pub stranger: String,
    /// Tokens signed with another key, of the name of the right one and of a name that nobody knows.
    pub forged: [String; 2],
}

/// What came of it, by kind of attack: how often it was tried, and ended by the server.
pub type Tried = BTreeMap<String, u64>;

#[derive(Clone)]
struct Attacker {
    door: Door,
    order: Arc<Order>,
    tried: Arc<Mutex<Tried>>,
}

/// Attacks until the input ends; each line of it asks for what came of it so far.
pub fn run(order: Order) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let door = Door::new(order.gateway.address, &order.gateway.bundle)?;
    let attacker = Attacker { door, order: Arc::new(order), tried: Arc::default() };
    for index in 0..attacker.order.junk {
        runtime.spawn(attacker.clone().junk(index));
    }
    for index in 0..attacker.order.slow {
        runtime.spawn(attacker.clone().slow(index));
    }
    for line in io::stdin().lock().lines() {
        line?;
        println!("{}", serde_json::to_string(&*attacker.tried.lock().map_err(|_| "an attacker has panicked")?)?);
    }
    Ok(())
}

impl Attacker {
    async fn junk(self, index: usize) {
        let source = Ipv4Addr::new(127, 0, 2, u8::try_from(1 + index / JUNK_OF_SOURCE).unwrap_or(u8::MAX));
        for kind in (index..).map(|turn| turn % 7) {
            let (name, outcome) = match kind {
                0 => ("bytes instead of TLS", self.bytes(source, &[0x5a; 4096]).await),
                1 => ("HTTP without TLS", self.bytes(source, b"POST /beat HTTP/1.1\r\nhost: x\r\n\r\n").await),
                2 => ("bytes instead of HTTP", self.text(source, &[0xff; 4096]).await),
                3 => ("forged token", self.tokens(source, &self.order.forged[0], BEAT.len()).await),
                4 => ("token of an unknown key", self.tokens(source, &self.order.forged[1], BEAT.len()).await),
                5 => ("huge body", self.tokens(source, &self.order.stranger, HUGE).await),
                _ => ("another pod's token, 100 times", self.tokens(source, &self.order.stranger, BEAT.len()).await),
            };
            self.count(name, outcome).await;
        }
    }

    async fn slow(self, index: usize) {
        let source = Ipv4Addr::new(127, 0, 3, u8::try_from(1 + index / SLOW_OF_SOURCE).unwrap_or(u8::MAX));
        loop {
            let (name, outcome) = match index % 3 {
                0 => ("slow: nothing", self.bytes(source, b"").await),
                // The header of a record of 512 bytes, and the first of these: a client's hello.
                1 => ("slow: half a handshake", self.bytes(source, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await),
                _ => ("slow: half a header", self.text(source, b"POST /beat HTTP/1.1\r\nauthorization: Bear").await),
            };
            self.count(name, outcome).await;
        }
    }

    /// Sends this without TLS and waits for the end.
    async fn bytes(&self, source: Ipv4Addr, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.door.plain(source).await?;
        stream.write_all(bytes).await?;
        drain(stream).await;
        Ok(())
    }

    /// The same, after a good handshake.
    async fn text(&self, source: Ipv4Addr, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.door.secure(source).await?;
        stream.write_all(bytes).await?;
        stream.flush().await?;
        drain(stream).await;
        Ok(())
    }

    /// Reports with this token until the server ends the connection, but at most 100 times.
    async fn tokens(&self, source: Ipv4Addr, token: &str, length: usize) -> io::Result<()> {
        let mut stream = self.door.secure(source).await?;
        let mut request = (head("/beat", token, length) + BEAT).into_bytes();
        let rest = length.saturating_sub(BEAT.len());
        request.resize(request.len() + rest, b' ');
        for _ in 0..100 {
            if ask(&mut stream, &request).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn count(&self, name: &str, outcome: io::Result<()>) {
        let name = if outcome.is_ok() { name.to_owned() } else { format!("{name}: not let in") };
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        if outcome.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn drain(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}
