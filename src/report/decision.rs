//! The decision log: what was decided about a mission and from what, so that it can be decided again.
//!
//! A record holds no text that an agent wrote and none of what a spec gives to an agent's process: a log has other readers
//! than the mission. What is left out decides nothing, so the same plan follows from what is left.

use std::io::Write;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::api::{AgentSpec, MissionCellStatus};
use crate::decide::{Plan, decide, sorted, template_hash};
use crate::observe::{Cell, Container, Snapshot};

/// A record holds a snapshot of at most this many bytes of JSON; of a larger one only the hash.
pub const LARGEST_SNAPSHOT: usize = 32 * 1024;

/// What a line of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordKind {
    /// The record of a decision.
    #[default]
    Decision,
}

/// One decision: a line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `Decision`: other lines of a log are none.
    pub kind: RecordKind,
    /// The time that the decision was made for.
    pub at: DateTime<Utc>,
    /// Namespace of the mission.
    pub namespace: String,
    /// Its name.
    pub cell: String,
    /// Its UID.
    pub uid: String,
    /// Version of the program that decided.
    pub version: String,
    /// SHA-256 of the snapshot's JSON with its keys in order, in hexadecimal digits.
    pub snapshot_hash: String,
    /// Size of the snapshot in bytes of JSON.
    pub snapshot_bytes: usize,
    /// What it was decided from. Absent: it has more than 32 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Value>,
    /// What was decided.
    pub plan: Value,
}

/// What deciding again came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Replay {
    /// The same plan.
    Identical,
    /// Another plan: where they differ, as JSON pointers.
    Different(Vec<Difference>),
    /// The snapshot was too large for the log.
    Skipped,
    /// The snapshot is not the one that was decided from.
    Altered,
    /// This program does not understand the snapshot.
    Unreadable(String),
}

/// A place at which two plans differ.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Difference {
    /// The place in the plan, as a JSON pointer.
    pub path: String,
    /// What was decided then; `null`: nothing.
    pub then: Value,
    /// What is decided now; `null`: nothing.
    pub now: Value,
}

impl Record {
    /// The record of a plan that was decided from this snapshot for this time.
    #[must_use]
    pub fn of(snapshot: &Snapshot, now: DateTime<Utc>, plan: &Plan) -> Self {
        let cell = &snapshot.cell;
        // These types always have a JSON form; the plan of a record without one differs from any other.
        let value = sorted(serde_json::to_value(without_text(snapshot)).unwrap_or_default());
        let text = value.to_string();
        Self {
            kind: RecordKind::Decision,
            at: now,
            namespace: cell.namespace.clone(),
            cell: cell.name.clone(),
            uid: cell.uid.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            snapshot_hash: hash(&text),
            snapshot_bytes: text.len(),
            snapshot: Some(value).filter(|_| text.len() <= LARGEST_SNAPSHOT),
            plan: sorted(serde_json::to_value(plan_without_text(cell, plan)).unwrap_or_default()),
        }
    }

    /// The record as one line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The snapshot, where the record holds it.
    ///
    /// # Errors
    /// This program does not understand it.
    pub fn snapshot(&self) -> Result<Option<Snapshot>, serde_json::Error> {
        self.snapshot.clone().map(serde_json::from_value).transpose()
    }

    /// Decides again.
    #[must_use]
    pub fn replay(&self) -> Replay {
        let Some(value) = &self.snapshot else { return Replay::Skipped };
        if hash(&sorted(value.clone()).to_string()) != self.snapshot_hash {
            return Replay::Altered;
        }
        let snapshot = match serde_json::from_value::<Snapshot>(value.clone()) {
            Ok(snapshot) => snapshot,
            Err(error) => return Replay::Unreadable(error.to_string()),
        };
        let again = Self::of(&snapshot, self.at, &decide(&snapshot, self.at)).plan;
        let mut found = Vec::new();
        differences(&self.plan, &again, "", &mut found);
        if found.is_empty() { Replay::Identical } else { Replay::Different(found) }
    }
}

/// Writes a record to stdout, as one line.
pub fn write(record: &Record) {
    let mut stdout = std::io::stdout().lock();
    // Whoever reads the log may be gone; the mission goes on.
    writeln!(stdout, "{}", record.line()).and_then(|()| stdout.flush()).ok();
}

/// The snapshot without the output of agents, without what people say about requests, and without what agents are given:
/// nothing of it is decided on but whether it changed, which the hashes of the templates tell.
#[must_use]
pub fn without_text(snapshot: &Snapshot) -> Snapshot {
    let mut bare = snapshot.clone();
    let names = Templates::of(&snapshot.cell);
    for spec in &mut bare.cell.spec.agents {
        *spec = bare_spec(spec);
    }
    (bare.cell.spec.image_pull_secrets, bare.cell.spec.node_selector) = (None, None);
    bare.cell.status = names.rename_all(&snapshot.cell.status);
    for pod in &mut bare.pods {
        names.rename(&pod.agent, &mut pod.template);
        match &mut pod.container {
            Container::Ended { exit_code: _, reason: _, log, started: _, finished: _ } => log.clear(),
            Container::Unknown | Container::Waiting(..) | Container::Running(_) => {}
        }
    }
    for request in &mut bare.requests {
        request.spec.comment = None;
        for decision in &mut request.status.decisions {
            decision.comment = None;
        }
    }
    bare
}

fn plan_without_text(cell: &Cell, plan: &Plan) -> Plan {
    let Plan { actions, status, mut answers, canaries, recheck_at } = plan.clone();
    let status = status.map(|status| Templates::of(cell).rename_all(&status));
    for decision in answers.iter_mut().flat_map(|answer| &mut answer.status.decisions) {
        decision.comment = None;
    }
    Plan { actions, status, answers, canaries, recheck_at }
}

/// The fields that decisions look at.
fn bare_spec(spec: &AgentSpec) -> AgentSpec {
    let AgentSpec { name, role, image, external, heartbeat, revive, completion, substitutes, standby, .. } = spec.clone();
    AgentSpec { name, role, image, external, heartbeat, revive, completion, substitutes, standby, ..AgentSpec::default() }
}

/// For each agent the hash of its template, and that of what is left of it. Where one is what the other was before, both
/// tell alike whether the agent's spec changed.
struct Templates(Vec<(String, String, String)>);

impl Templates {
    fn of(cell: &Cell) -> Self {
        let mut bare = cell.clone();
        (bare.spec.image_pull_secrets, bare.spec.node_selector) = (None, None);
        let one = |spec: &AgentSpec| (spec.name.clone(), template_hash(cell, spec), template_hash(&bare, &bare_spec(spec)));
        Self(cell.spec.agents.iter().map(one).collect())
    }

    fn rename(&self, agent: &str, template: &mut Option<String>) {
        let found = self.0.iter().find(|(name, whole, _)| name == agent && Some(whole) == template.as_ref());
        if let Some((_, _, bare)) = found {
            *template = Some(bare.clone());
        }
    }

    /// The status with the other hashes, and without the output of agents.
    fn rename_all(&self, status: &MissionCellStatus) -> MissionCellStatus {
        let mut status = status.clone();
        for agent in &mut status.agents {
            self.rename(&agent.name, &mut agent.template);
            if let Some(end) = &mut agent.last_end {
                self.rename(&agent.name, &mut end.template);
            }
        }
        for incident in &mut status.incidents {
            incident.log = None;
        }
        status
    }
}

fn hash(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hash, byte| {
        // Writing to a String does not fail.
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

/// The innermost places at which two values differ.
fn differences(then: &Value, now: &Value, path: &str, found: &mut Vec<Difference>) {
    match (then, now) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let inner = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                let place = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                differences(&inner(left), &inner(right), &place, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differences(left, right, &format!("{path}/{index}"), found);
            }
        }
        (then, now) if then == now => {}
        (then, now) => found.push(Difference { path: path.into(), then: then.clone(), now: now.clone() }),
    }
}

#[cfg(test)]
#[path = "decision/tests.rs"]
mod tests;
