//! The gateway in a process of its own: what the operator runs, with a scan each second.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use kube::Client;
use lazarus::api::{EffectiveHeartbeat, MissionCellSpec, MissionCellStatus, names};
use lazarus::controllers::{Heartbeats, MissionRef};
use lazarus::decide::{Expected, Judgement, Terms, judge};
use lazarus::gateway::authority::Authority;
use lazarus::gateway::identity::Identity;
use lazarus::gateway::keys::Keyring;
use lazarus::gateway::ledger::Ledger;
use lazarus::gateway::server::{self, Answers, Limits};
use lazarus::observe::Cell;
use lazarus::report::metrics::{Answered, Closed, Metrics};
use lazarus::runtime::clock::{Clock, SystemClock};
use lazarus::runtime::leadership::Leadership;
use lazarus::runtime::shutdown::Shutdown;
use lazarus::runtime::telemetry;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::Result;
use crate::issuer::uid;

/// As many agents as a mission may well have.
const AGENTS_OF_MISSION: usize = 4;

/// What the server is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where the API server is.
    pub api: SocketAddr,
    /// How many agents may report.
    pub agents: usize,
    /// Seconds between two reports of one.
    pub interval: u32,
}

/// Where the server is, and which certificates vouch for it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Its address.
    pub address: SocketAddr,
    /// PEM.
    pub bundle: String,
}

/// What the server has seen so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Reports that were taken.
    pub beats: u64,
    /// Judgements that the scan came to, other than that all is well, by name.
    pub verdicts: BTreeMap<String, u64>,
    /// Missions that the scan wanted looked at: once or more as their agents begin to report, never after that.
    pub wakes: u64,
    /// Scans.
    pub scans: u64,
    /// Open connections.
    pub open: i64,
    /// Answers by kind, without those that never were.
    pub answers: BTreeMap<String, u64>,
    /// Connections closed unasked, by reason.
    pub refused: BTreeMap<String, u64>,
}

type Noted = Arc<Mutex<Seen>>;

/// Serves until the input ends; each line of it asks for what was seen so far.
pub fn run(order: &Order) -> Result<()> {
    telemetry::start(telemetry::Log { level: telemetry::LogLevel::Warn, format: telemetry::LogFormat::Text, decisions: false })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let metrics = Arc::new(Metrics::new());
    let noted = Noted::default();
    let ready = runtime.block_on(start(order, &metrics, &noted))?;
    say(&ready)?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let mut seen = noted.lock().map_err(|_| "the scan has panicked")?.clone();
        let gateway = metrics.gateway();
        (seen.beats, seen.open) = (gateway.answers(Answered::Beat), gateway.open());
        let answers = Answered::ALL.iter().map(|answer| (answer.to_string(), gateway.answers(*answer)));
        seen.answers = answers.filter(|(_, count)| *count > 0).collect();
        let refused = Closed::ALL.iter().map(|reason| (reason.to_string(), gateway.refusals(*reason)));
        seen.refused = refused.filter(|(_, count)| *count > 0).collect();
        say(&seen)?;
    }
    Ok(())
}

fn say(what: &impl Serialize) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(what)?)?;
    Ok(output.flush()?)
}

async fn start(order: &Order, metrics: &Arc<Metrics>, noted: &Noted) -> Result<Ready> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let identity = Identity::default();
    let authority = Authority::new(clock.now() - TimeDelta::hours(1))?;
    identity.show(authority.leaf(names::OPERATOR_NAMESPACE, &[], clock.now())?.certified);
    let client = Client::try_from(kube::Config::new(format!("http://{}", order.api).parse()?))?;
    let keyring = Arc::new(Keyring::new(Arc::clone(&clock)));
    keyring.look(&client).await?;
    let ledger = Arc::new(Mutex::new(Ledger::new(clock.monotonic())));
    let (heartbeats, woken) = Heartbeats::new(Arc::clone(&ledger), Arc::clone(&clock));
    let terms = terms(order.interval);
    for first in (0..order.agents).step_by(AGENTS_OF_MISSION) {
        let agents = first..order.agents.min(first + AGENTS_OF_MISSION);
        let expected = agents.map(|agent| Expected {
            uid: uid(agent),
            terms,
            running: true,
            holds: Vec::new(),
            elsewhere: false,
            closed: false,
        });
        heartbeats.expect(&cell(&format!("mission-{first}")), &expected.collect::<Vec<_>>());
    }
    heartbeats.open();
    tokio::spawn(scan(heartbeats, woken, terms, Arc::clone(noted)));
    let leadership = Leadership::always();
    let (namespace, kept, clock_of) = (names::OPERATOR_NAMESPACE.to_owned(), Arc::clone(&keyring), Arc::clone(&clock));
    let answers = Answers::new(ledger, kept, client.clone(), namespace, leadership, clock_of, Arc::clone(metrics));
    let config = identity.config()?;
    tokio::spawn(async move {
        let (_trigger, shutdown) = Shutdown::manual();
        let serving = server::serve(listener, config, Arc::new(answers), Limits::default(), shutdown.clone());
        tokio::join!(serving, keyring.keep(&client, &shutdown));
    });
    Ok(Ready { address, bundle: authority.bundle(clock.now()) })
}

/// Scans as the controller does, and looks at every mission it would wake: only those can have a new verdict.
async fn scan(heartbeats: Heartbeats, mut woken: UnboundedReceiver<MissionRef>, terms: Terms, noted: Noted) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        heartbeats.scan();
        let Ok(mut seen) = noted.lock() else { return };
        seen.scans += 1;
        while let Some(Some(mission)) = futures::FutureExt::now_or_never(woken.next()) {
            seen.wakes += 1;
            for pulse in heartbeats.pulses(&mission.name).values() {
                let judged = judge(pulse, &terms);
                if !matches!(judged, Judgement::Unknown | Judgement::Well) {
                    *seen.verdicts.entry(format!("{judged:?}")).or_default() += 1;
                }
            }
        }
    }
}

/// The defaults; and an agent whose cycle stays the same is dead, so that a lost report shows.
fn terms(interval: u32) -> Terms {
    let heartbeat = EffectiveHeartbeat {
        unreachable_after_seconds: 0,
        interval_seconds: interval.into(),
        stale_after_seconds: 60,
        dead_after_seconds: 300,
        startup_grace_seconds: 300,
        stalled_after_seconds: 60,
        max_busy_seconds: 1800,
    };
    Terms { heartbeat, sidecar_restarted: false }
}

fn cell(name: &str) -> Cell {
    Cell {
        name: name.to_owned(),
        namespace: "missions".to_owned(),
        uid: name.to_owned(),
        generation: 1,
        deleting: false,
        spec: MissionCellSpec::default(),
        status: MissionCellStatus::default(),
    }
}
