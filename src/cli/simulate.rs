//! `lazarus simulate`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Error;
use super::output::{Output, table};
use crate::decide::{Action, ClaimChange, Plan, decide};
use crate::observe::Snapshot;
use crate::report::decision::{Difference, Record, Replay};
use crate::report::{self};
use crate::runtime::clock::{Clock, SystemClock};

/// While a long log is replayed, people are told after this many lines each.
const TOLD_EVERY: usize = 1000;

// Without a description of its own: it would become that of the command.
#[derive(clap::Args)]
#[group(id = "what", required = true, multiple = false)]
pub(super) struct Source {
    /// File with a snapshot, or with one line of the decision log
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,

    /// File with lines of the decision log, among others; `-`: standard input
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// Decide again what was decided before, or about a snapshot that was saved
///
/// Needs no cluster. --snapshot decides about one snapshot and prints the plan. --replay reads the decision log of the
/// operator, decides each line again, and ends with 1 if any plan differs from what was decided.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    /// The time to decide for, such as 2026-01-31T12:00:00Z [default: that of the decision, else now]
    #[arg(long, value_name = "TIME", conflicts_with = "replay")]
    at: Option<DateTime<Utc>>,

    #[command(flatten)]
    output: Output,
}

/// What `simulate --snapshot` comes to.
#[derive(Serialize, JsonSchema)]
pub(super) struct Simulated {
    /// The time it was decided for, RFC 3339.
    #[schemars(with = "String")]
    at: DateTime<Utc>,
    /// Namespace of the mission.
    namespace: String,
    /// Its name.
    mission: String,
    /// What is to be done: actions or a status, and when to look again.
    plan: Value,
}

/// What `simulate --replay` comes to.
#[derive(Serialize, JsonSchema, Default)]
pub(super) struct Replayed {
    /// Decisions that are the same again.
    identical: usize,
    /// Decisions that differ.
    different: usize,
    /// Decisions whose snapshot was too large for the log.
    skipped: usize,
    /// Decisions that can't be decided again: altered, or of another version.
    broken: usize,
    /// Lines that are no decisions.
    other: usize,
    /// The decisions that differ or are broken.
    troubles: Vec<Trouble>,
}

/// A decision that differs or is broken.
#[derive(Serialize, JsonSchema)]
pub(super) struct Trouble {
    /// Number of the line, from 1.
    line: usize,
    /// Namespace and name of the mission.
    mission: String,
    /// The time it was decided for, RFC 3339.
    at: String,
    /// Version of the program that decided.
    version: String,
    /// What is wrong.
    message: String,
    /// The places at which the two plans differ.
    differences: Vec<Difference>,
}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        match (&self.source.snapshot, &self.source.replay) {
            (Some(file), _) => self.simulate(file),
            (None, Some(file)) => self.replay(file),
            (None, None) => Err("give --snapshot or --replay".into()),
        }
    }

    fn simulate(&self, file: &Path) -> Result<(), Error> {
        let text = std::fs::read_to_string(file).map_err(|error| cannot_read(file, &error))?;
        let (snapshot, decided_at) = read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let at = self.at.or(decided_at).unwrap_or_else(|| SystemClock.now());
        let plan = decide(&snapshot, at);
        let simulated = Simulated {
            at,
            namespace: snapshot.cell.namespace.clone(),
            mission: snapshot.cell.name.clone(),
            plan: serde_json::to_value(&plan)?,
        };
        self.output.write(&simulated, |simulated| told(simulated, &snapshot, &plan))
    }

    fn replay(&self, file: &Path) -> Result<(), Error> {
        let lines: Box<dyn BufRead> = if file == Path::new("-") {
            Box::new(stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(file).map_err(|error| cannot_read(file, &error))?))
        };
        let mut replayed = Replayed::default();
        let progress = stderr().is_terminal();
        for (index, line) in lines.split(b'\n').enumerate() {
            let line = line.map_err(|error| cannot_read(file, &error))?;
            replayed.line(index + 1, &String::from_utf8_lossy(&line));
            if progress && (index + 1) % TOLD_EVERY == 0 {
                eprint!("\r{} lines", index + 1);
            }
        }
        if progress {
            eprint!("\r\u{1b}[K");
        }
        self.output.write(&replayed, Replayed::text)?;
        let Replayed { identical, different, skipped, broken, .. } = replayed;
        match () {
            () if identical + different + skipped + broken == 0 => {
                Err(format!("{} holds no decision: is it the operator's log?", file.display()).into())
            }
            () if different + broken > 0 => {
                Err(format!("{} of {} decisions are not the same again", different + broken, identical + different + broken)
                    .into())
            }
            () => Ok(()),
        }
    }
}

fn cannot_read(file: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", file.display())
}

/// A snapshot, with the time of its decision if it is a line of the log.
fn read(text: &str) -> Result<(Snapshot, Option<DateTime<Utc>>), Error> {
    if let Ok(record) = serde_json::from_str::<Record>(text) {
        let snapshot = record.snapshot()?.ok_or("its snapshot was too large for the log")?;
        return Ok((snapshot, Some(record.at)));
    }
    let snapshot = serde_json::from_str(text);
    Ok((snapshot.map_err(|error| format!("is neither a snapshot nor one line of a decision log: {error}"))?, None))
}

impl Replayed {
    fn line(&mut self, number: usize, line: &str) {
        // A collector may have put something before it.
        let record = line.find('{').and_then(|start| line.get(start..)).map(serde_json::from_str::<Record>);
        let Some(Ok(record)) = record else {
            self.other += usize::from(!line.trim().is_empty());
            return;
        };
        let other = record.version != env!("CARGO_PKG_VERSION");
        let (message, differences) = match record.replay() {
            Replay::Identical => {
                self.identical += 1;
                return;
            }
            Replay::Skipped => {
                self.skipped += 1;
                return;
            }
            Replay::Different(differences) => {
                self.different += 1;
                (if other { "another version decides differently" } else { "the plan is another one" }.into(), differences)
            }
            Replay::Altered => {
                self.broken += 1;
                ("its snapshot is not the one that was decided from".into(), Vec::new())
            }
            Replay::Unreadable(error) => {
                self.broken += 1;
                (format!("this program does not understand its snapshot: {error}"), Vec::new())
            }
        };
        self.troubles.push(Trouble {
            line: number,
            mission: format!("{}/{}", record.namespace, record.cell),
            at: record.at.to_rfc3339(),
            version: record.version,
            message,
            differences,
        });
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for trouble in &self.troubles {
            let Trouble { line, mission, at, version, message, differences } = trouble;
            let _ = writeln!(text, "line {line}: {mission} at {at}, decided by {version}: {message}");
            for Difference { path, then, now } in differences {
                let _ = writeln!(text, "  {path}: then {then}, now {now}");
            }
        }
        let Self { identical, different, skipped, broken, other, troubles: _ } = self;
        let _ = write!(
            text,
            "{identical} identical, {different} different, {skipped} skipped as their snapshots are too large for the log"
        );
        let _ = writeln!(text, ", {broken} broken, {other} other lines");
        text
    }
}

fn told(simulated: &Simulated, snapshot: &Snapshot, plan: &Plan) -> String {
    let Plan { actions, status, answers, canaries, recheck_at } = plan;
    let mut text = format!("{}/{} at {}\n", simulated.namespace, simulated.mission, simulated.at.to_rfc3339());
    for action in actions {
        let line = match action {
            Action::Create { agent, attempt, level } => {
                format!("create the pod of {agent}, incarnation {attempt}, at isolation {level}")
            }
            Action::Claim(change) => match change {
                ClaimChange::Make => "make the claim of the mission's workspace".into(),
                ClaimChange::Own(true) => "let the claim of the workspace go with the mission".into(),
                ClaimChange::Own(false) => "let the claim of the workspace outlive the mission".into(),
                ClaimChange::Grow(size) => format!("let the claim of the workspace grow to {}", size.to_text()),
            },
            Action::Account { agent } => format!("make the service account that {agent} reports with from elsewhere"),
            Action::Delete { pod, uid: _, why } => format!("delete pod {pod} ({why:?})"),
            Action::Ask { name, spec } => {
                let agents: Vec<_> = spec.incidents.iter().map(|incident| incident.agent.as_str()).collect();
                format!("ask a person about {}: make the request {name} ({})", agents.join(", "), spec.options.join(" or "))
            }
            Action::Forget { request, uid: _ } => format!("delete the request {request}, which was closed long ago"),
        };
        let _ = writeln!(text, "  {line}");
    }
    if let Some(status) = status {
        text.push_str("  write the status\n");
        let changed = status.agents.iter().filter(|agent| !snapshot.cell.status.agents.contains(agent));
        let rows = changed.map(|agent| {
            let reason = agent.reason.map(|reason| reason.to_string()).unwrap_or_default();
            let message = agent.message.clone().unwrap_or_default();
            vec!["   ".into(), agent.name.clone(), format!("{:?}", agent.state), reason, message]
        });
        text.push_str(&table(&rows.collect::<Vec<_>>()));
        for event in report::between(&snapshot.cell.status, status) {
            let _ = writeln!(text, "  say {}: {}", event.reason, event.note);
        }
    }
    for answer in answers {
        let summary = answer.status.summary.as_ref();
        let (decision, message) =
            summary.map(|summary| (summary.decision.as_str(), summary.message.as_str())).unwrap_or_default();
        let _ = writeln!(text, "  request {}: {decision}: {message}", answer.request);
    }
    for scope in canaries {
        let _ = writeln!(text, "  one agent of {scope} tries");
    }
    if actions.is_empty() && status.is_none() && answers.is_empty() {
        text.push_str("  nothing is to be done\n");
    }
    let _ = match recheck_at {
        Some(at) => writeln!(text, "  look again at {}", at.to_rfc3339()),
        None => writeln!(text, "  look again when something changes"),
    };
    text
}
