//! The agents that report as they should: each with a token, a connection and a moment of its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lazarus::api::beat::{Beat, Seen};
use lazarus::runtime::clock::{Clock, SystemClock};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_rustls::client::TlsStream;

use crate::Result;
use crate::issuer::Issuer;
use crate::wire::{Door, ask, head};

/// A sidecar waits this long for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Agents behind one address, of which fewer connect at once than the gateway bears.
const AGENTS_OF_SOURCE: usize = 1500;
/// Handshakes at once while everybody connects.
const AT_ONCE: usize = 64;

const CONNECTING: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// All agents of one run.
pub struct Agents {
    shared: Arc<Shared>,
    count: usize,
}

struct Shared {
    door: Door,
    phase: AtomicU8,
    began: Instant,
    interval: Duration,
    connecting: Semaphore,
    connected: AtomicU64,
    under_way: AtomicU64,
    taken: AtomicU64,
    record: Mutex<Record>,
}

/// What came of the reports.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Time from each measured report to its answer, in microseconds.
    pub micros: Vec<u32>,
    /// Reports that were not taken, by what became of them, measured or not.
    pub failed: BTreeMap<String, u64>,
}

impl Agents {
    /// Begins to connect them; each reports at once and from then on at its own moments, spread over the interval.
    pub fn start(runtime: &Runtime, door: &Door, issuer: &Issuer, count: usize, interval: u32) -> Result<Self> {
        let shared = Arc::new(Shared {
            door: door.clone(),
            phase: AtomicU8::new(CONNECTING),
            began: SystemClock.monotonic(),
            interval: Duration::from_secs(interval.into()),
            connecting: Semaphore::new(AT_ONCE),
            connected: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            record: Mutex::default(),
        });
        for index in 0..count {
            let offset = shared.interval.mul_f64(f64::from(u32::try_from(index)?) / f64::from(u32::try_from(count)?));
            let source = Ipv4Addr::new(127, 0, 1, u8::try_from(1 + index / AGENTS_OF_SOURCE)?);
            let agent = Agent { shared: Arc::clone(&shared), source, token: issuer.token(index)?, stream: None, cycle: 0 };
            runtime.spawn(agent.live(offset));
        }
        Ok(Self { shared, count })
    }

    /// How many have been heard at least once, or have failed to be.
    pub fn connected(&self) -> usize {
        usize::try_from(self.shared.connected.load(Ordering::Relaxed)).unwrap_or(usize::MAX).min(self.count)
    }

    /// From now on answers are measured.
    pub fn measure(&self) {
        self.shared.phase.store(MEASURING, Ordering::SeqCst);
    }

    /// No report begins from now on; returns when those under way have ended.
    pub fn stop(&self) {
        self.shared.phase.store(OVER, Ordering::SeqCst);
        while self.shared.under_way.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Reports that were taken since the beginning.
    pub fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::SeqCst)
    }

    /// Measured answers and all failures so far.
    pub fn counts(&self) -> (usize, u64) {
        let record = self.shared.record();
        (record.micros.len(), record.failed.values().sum())
    }

    /// All of it.
    pub fn record(&self) -> Record {
        self.shared.record().clone()
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Agent {
    shared: Arc<Shared>,
    source: Ipv4Addr,
    token: String,
    stream: Option<TlsStream<TcpStream>>,
    cycle: u64,
}

impl Agent {
    async fn live(mut self, offset: Duration) {
        let shared = Arc::clone(&self.shared);
        if let Ok(_turn) = shared.connecting.acquire().await {
            self.step().await;
            shared.connected.fetch_add(1, Ordering::Relaxed);
        }
        let mut due = shared.began + offset;
        loop {
            while due <= SystemClock.monotonic() {
                due += shared.interval;
            }
            tokio::time::sleep_until(due.into()).await;
            if !self.step().await {
                return;
            }
        }
    }

    /// One report, and what came of it; `false`: it is all over.
    async fn step(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        // In this order: who stops either sees this report under way, or is seen here.
        shared.under_way.fetch_add(1, Ordering::SeqCst);
        let phase = shared.phase.load(Ordering::SeqCst);
        if phase != OVER {
            let began = SystemClock.monotonic();
            let outcome = tokio::time::timeout(PATIENCE, self.report()).await.unwrap_or_else(|_| Err("no answer in time".into()));
            let took = SystemClock.monotonic().saturating_duration_since(began);
            if outcome.is_ok() {
                shared.taken.fetch_add(1, Ordering::SeqCst);
            }
            match outcome {
                Ok(()) if phase == MEASURING => shared.record().micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)),
                Ok(()) => {}
                Err(what) => {
                    self.stream = None;
                    *shared.record().failed.entry(what).or_default() += 1;
                }
            }
        }
        shared.under_way.fetch_sub(1, Ordering::SeqCst);
        phase != OVER
    }

    async fn report(&mut self) -> Result<(), String> {
        self.cycle += 1;
        let beat = Beat { cycle: Some(self.cycle), status: Some("working".to_owned()), ..Beat::of(Seen::Healthy) };
        let body = serde_json::to_string(&beat).map_err(|error| error.to_string())?;
        let request = head("/beat", &self.token, body.len()) + &body;
        if self.stream.is_none() {
            let stream = self.shared.door.secure(self.source).await.map_err(|error| format!("no connection: {error}"))?;
            self.stream = Some(stream);
        }
        let Some(stream) = self.stream.as_mut() else { return Err("no connection".to_owned()) };
        match ask(stream, request.as_bytes()).await {
            Ok(200) => Ok(()),
            Ok(status) => Err(format!("answered {status}")),
            Err(error) => Err(format!("connection lost: {error}")),
        }
    }
}
