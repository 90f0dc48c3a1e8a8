//! What one run came to, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::agents::Record;
use crate::attack::Tried;
use crate::child::Memory;
use crate::server::Seen;

/// All that was measured and counted in one run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Agents that report.
    pub agents: usize,
    /// How long it was measured.
    pub span: Duration,
    /// What the agents saw.
    pub record: Record,
    /// Reports that were taken, as the agents count them.
    pub taken: u64,
    /// What the server saw.
    pub seen: Seen,
    /// The server's time on processors while it was measured.
    pub cpu: Duration,
    /// The same per agent until all were connected.
    pub connecting: Duration,
    /// The server's memory at its most.
    pub memory: Memory,
    /// Reads of the API server, and everything else that was asked of it.
    pub api: (u64, u64),
    /// What the attackers did.
    pub tried: Tried,
}

impl Outcome {
    /// What must not be.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut unless = |good: bool, what: String| wrong.extend((!good).then_some(what));
        unless(self.record.failed.is_empty(), format!("reports failed: {:?}", self.record.failed));
        unless(!self.record.micros.is_empty(), "no report was measured".to_owned());
        unless(self.seen.verdicts.is_empty(), format!("verdicts were made: {:?}", self.seen.verdicts));
        unless(self.api.1 == 0, format!("{} requests to the API server that are no reads of keys", self.api.1));
        let taken = (self.taken, self.seen.beats);
        unless(taken.0 == taken.1, format!("the agents count {} reports as taken, the server {}", taken.0, taken.1));
        unless(self.seen.scans > 0, "the server did not scan".to_owned());
        wrong
    }

    fn quantile(&self, part: f64) -> f64 {
        let mut micros = self.record.micros.clone();
        micros.sort_unstable();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
        let rank = (part * micros.len() as f64).ceil() as usize;
        micros.get(rank.saturating_sub(1)).copied().unwrap_or_default().into()
    }

    fn numbers(&self) -> BTreeMap<&'static str, f64> {
        let count = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let beats = count(self.record.micros.len() as u64);
        let (span, cpu) = (self.span.as_secs_f64(), self.cpu.as_secs_f64());
        let mib = |kib: u64| count(kib) / 1024.0;
        let tried =
            |slow: bool| self.tried.iter().filter(move |(name, _)| name.starts_with("slow") == slow).map(|(_, count)| count);
        BTreeMap::from([
            ("agents", count(self.agents as u64)),
            ("seconds", span),
            ("beats", beats),
            ("beatsFailed", count(self.record.failed.values().sum())),
            ("beatsPerSecond", beats / span),
            ("replyP50Micros", self.quantile(0.5)),
            ("replyP99Micros", self.quantile(0.99)),
            ("replyMaxMicros", self.quantile(1.0)),
            ("cpuMicrosPerBeat", cpu * 1e6 / beats.max(1.0)),
            ("cpuPercentOfOneCore", cpu * 100.0 / span),
            ("cpuMicrosPerConnect", self.connecting.as_secs_f64() * 1e6),
            ("residentMiB", mib(self.memory.resident)),
            ("anonymousMiB", mib(self.memory.anonymous)),
            ("verdicts", count(self.seen.verdicts.values().sum())),
            ("missionsWoken", count(self.seen.wakes)),
            ("apiReads", count(self.api.0)),
            ("apiWrites", count(self.api.1)),
            ("junk", count(tried(false).sum())),
            ("slowCut", count(tried(true).sum())),
        ])
    }
}

/// What the lines of the table say, in their order.
const LINES: [(&str, &str, usize); 19] = [
    ("agents", "agents", 0),
    ("seconds", "seconds measured", 0),
    ("beats", "reports taken in that time", 0),
    ("beatsFailed", "reports that failed, at any time", 0),
    ("beatsPerSecond", "reports per second", 1),
    ("replyP50Micros", "reply, median, us", 0),
    ("replyP99Micros", "reply, 99 %, us", 0),
    ("replyMaxMicros", "reply, slowest, us", 0),
    ("cpuMicrosPerBeat", "gateway's CPU per report, us", 0),
    ("cpuPercentOfOneCore", "gateway's CPU, % of one core", 1),
    ("cpuMicrosPerConnect", "gateway's CPU per new agent, us", 0),
    ("residentMiB", "gateway's memory at most, MiB", 1),
    ("anonymousMiB", "  of it not files", 1),
    ("verdicts", "verdicts", 0),
    ("missionsWoken", "missions woken (first reports)", 0),
    ("apiReads", "reads of the API server's keys", 0),
    ("apiWrites", "any other request to it", 0),
    ("junk", "junk connections ended", 0),
    ("slowCut", "slow sockets cut", 0),
];

/// The table.
pub fn table(plain: &Outcome, attacked: &Outcome) -> String {
    let (plain, attacked) = (plain.numbers(), attacked.numbers());
    let of = |numbers: &BTreeMap<&str, f64>, key: &str| numbers.get(key).copied().unwrap_or_default();
    let line = |(key, says, digits): &(&str, &str, usize)| {
        let (one, other) = (of(&plain, key), of(&attacked, key));
        let ratio = if one > 0.0 { format!("{:.2}", other / one) } else { String::new() };
        format!("{says:<34}{one:>12.digits$}{other:>12.digits$}{ratio:>8}\n")
    };
    format!("{:<34}{:>12}{:>12}{:>8}\n", "", "plain", "attacked", "ratio") + &LINES.iter().map(line).collect::<String>()
}

/// One line of JSON.
pub fn json(plain: &Outcome, attacked: &Outcome) -> Value {
    let ratio = |key| attacked.numbers().get(key).copied().unwrap_or(0.0) / plain.numbers().get(key).copied().unwrap_or(1.0);
    let one = |outcome: &Outcome| json!({"numbers": outcome.numbers(), "answers": outcome.seen.answers, "refused": outcome.seen.refused, "attacks": outcome.tried});
    let ratios = json!({"replyP99": ratio("replyP99Micros"), "cpu": ratio("cpuPercentOfOneCore")});
    json!({"plain": one(plain), "attacked": one(attacked), "ratio": ratios})
}
