//! The gateway under load, in one tree of processes and without a cluster.
//!
//! This process holds the agents and the API server; the gateway and the attackers are processes of their own, so that
//! each is measured apart. `cargo bench` runs it in full; `cargo test` runs it small, for the counts alone.

mod agents;
mod api;
mod attack;
mod child;
mod issuer;
mod report;
mod server;
mod wire;

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use lazarus::runtime::clock::{Clock, SystemClock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;

use self::agents::Agents;
use self::child::Process;
use self::issuer::Issuer;
use self::report::Outcome;
use self::server::{Ready, Seen};
use self::wire::Door;

type Trouble = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Trouble> = std::result::Result<T, E>;

/// What `cargo test` knows this by.
const NAME: &str = "the_gateway_bears_load_and_attackers";
/// Who has not connected by then never will.
const CONNECTED_WITHIN: Duration = Duration::from_mins(5);
/// Files beside those of connections.
const OTHER_FILES: u64 = 200;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Size {
    agents: usize,
    interval: u32,
    measured: Duration,
    junk: usize,
    slow: usize,
    /// Until all attackers are at work.
    settled: Duration,
}

fn main() -> ExitCode {
    match begin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn begin() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["gateway", order] => server::run(&serde_json::from_str(order)?),
        ["attackers", order] => attack::run(serde_json::from_str(order)?),
        // So does `cargo bench` call it.
        words if words.contains(&"--bench") => full(),
        words => small(words),
    }
}

fn full() -> Result<()> {
    let size = Size {
        agents: variable("BENCH_AGENTS", 10_000)?,
        interval: 15,
        measured: Duration::from_secs(variable("BENCH_SECONDS", 300)?),
        junk: 200,
        slow: 2000,
        settled: Duration::from_secs(10),
    };
    let (plain, attacked) = both(size)?;
    println!("\n{}", report::table(&plain, &attacked));
    println!("{}", report::json(&plain, &attacked));
    Ok(())
}

/// As a test, with the words by which the others are known and counted.
fn small(words: &[&str]) -> Result<()> {
    let filters: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    if words.contains(&"--ignored") || !(filters.is_empty() || filters.iter().any(|filter| NAME.contains(**filter))) {
        return Ok(());
    }
    let second = Duration::from_secs(1);
    both(Size { agents: 50, interval: 1, measured: 2 * second, junk: 14, slow: 30, settled: second })?;
    println!("test {NAME} ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n");
    Ok(())
}

fn both(size: Size) -> Result<(Outcome, Outcome)> {
    raise_limit(size)?;
    let plain = one("plain", Size { junk: 0, slow: 0, ..size })?;
    let attacked = one("attacked", size)?;
    let wrong: Vec<_> = [("plain", &plain), ("attacked", &attacked)]
        .iter()
        .flat_map(|(name, outcome)| outcome.wrong().into_iter().map(move |wrong| format!("{name}: {wrong}")))
        .collect();
    if wrong.is_empty() {
        return Ok((plain, attacked));
    }
    println!("\n{}", report::table(&plain, &attacked));
    Err(wrong.join("\nerror: ").into())
}

/// One run with a gateway of its own.
fn one(name: &str, size: Size) -> Result<Outcome> {
    let runtime = Runtime::new()?;
    let issuer = Issuer::new("k")?;
    let (api, asked) = runtime.block_on(api::start(issuer.published()))?;
    let mut server = Process::start("gateway", &server::Order { api, agents: size.agents, interval: size.interval })?;
    let ready: Ready = server.hear()?;
    let door = Door::new(ready.address, &ready.bundle)?;
    let agents = Agents::start(&runtime, &door, &issuer, size.agents, size.interval)?;
    let mut progress = Progress { name, next: SystemClock.monotonic() };
    let began = SystemClock.monotonic();
    while agents.connected() < size.agents {
        std::thread::sleep(Duration::from_millis(50));
        progress.say(|| format!("{} of {} agents connected", agents.connected(), size.agents));
        if SystemClock.monotonic() > began + CONNECTED_WITHIN {
            return Err(format!("only {} agents could connect: {:?}", agents.connected(), agents.record().failed).into());
        }
    }
    let connecting = server.cpu()? / u32::try_from(size.agents)?;
    let mut attackers = if size.junk + size.slow > 0 {
        let other = Issuer::new("k")?;
        let forged = [other.token(0)?, Issuer::new("unknown")?.token(0)?];
        // A pod of this cluster with a good token, but no agent.
        let stranger = issuer.token(size.agents)?;
        let order = attack::Order { gateway: ready, junk: size.junk, slow: size.slow, stranger, forged };
        let attackers = Process::start("attackers", &order)?;
        std::thread::sleep(size.settled);
        Some(attackers)
    } else {
        None
    };
    let (cpu, measured) = (server.cpu()?, SystemClock.monotonic());
    agents.measure();
    let mut memory = server.memory()?;
    while measured.elapsed() < size.measured {
        std::thread::sleep(Duration::from_millis(100));
        memory = memory.max(server.memory()?);
        progress.say(|| {
            let (beats, failed) = agents.counts();
            format!("{} of {} s, {beats} reports, {failed} failed", measured.elapsed().as_secs(), size.measured.as_secs())
        });
    }
    let (span, cpu) = (measured.elapsed(), server.cpu()?.saturating_sub(cpu));
    agents.stop();
    let tried = attackers.as_mut().map(Process::ask).transpose()?.unwrap_or_default();
    let seen: Seen = server.ask()?;
    if asked.writes() > 0 {
        eprintln!("{name}: asked of the API server: {}", asked.strange().join(", "));
    }
    let (record, taken, api) = (agents.record(), agents.taken(), (asked.reads(), asked.writes()));
    runtime.shutdown_background();
    Ok(Outcome { agents: size.agents, span, record, taken, seen, cpu, connecting, memory, api, tried })
}

/// A line now and then, so that nobody wonders whether it still runs.
struct Progress<'a> {
    name: &'a str,
    next: Instant,
}

impl Progress<'_> {
    fn say(&mut self, what: impl FnOnce() -> String) {
        if SystemClock.monotonic() >= self.next {
            self.next = SystemClock.monotonic() + Duration::from_secs(5);
            eprintln!("{}: {}", self.name, what());
        }
    }
}

/// Each connection is a file, in the gateway as well as here; children have the limit of their parent.
fn raise_limit(size: Size) -> Result<()> {
    let needed = u64::try_from(size.agents + size.junk + size.slow)? + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < needed) {
        if maximum.is_some_and(|most| most < needed) {
            return Err(
                format!("{needed} open files are needed: as root, `ulimit -n {needed}`, or set fewer BENCH_AGENTS").into()
            );
        }
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })?;
    }
    Ok(())
}

fn variable<T: FromStr>(name: &str, default: T) -> Result<T> {
    let Ok(text) = std::env::var(name) else { return Ok(default) };
    text.parse().map_err(|_| format!("{name} is no number: {text}").into())
}
