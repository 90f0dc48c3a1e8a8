//! What becomes of decisions and orders: the operator says it in the request's conditions.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cluster::{Cluster, Failure};
use super::output::Output;
use super::standing::{Standing, approvals, awaits_quorum, said, standing};
use crate::api::conditions::RequestCondition;
use crate::api::{DecisionVerdict, RevivalRequest};
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::shutdown::Shutdown;

/// How often the request is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

/// How long it is waited for.
#[derive(clap::Args, Clone, Copy)]
pub(super) struct Waiting {
    /// Whether to wait until the operator has acted
    #[arg(long, value_name = "true|false", default_value_t = true, action = clap::ArgAction::Set)]
    wait: bool,

    /// How long to wait, such as 30s, 5m or 1h
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = span)]
    timeout: Duration,
}

/// What became of a decision or an order.
#[derive(Serialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was not written.
    Failed,
    /// It would be written.
    DryRun,
    /// It is written, and the operator has not acted on it yet.
    Recorded,
    /// More people have to approve.
    QuorumMissing,
    /// It is approved and being carried out.
    Approved,
    /// It is done.
    Executed,
    /// It is denied: the agents stay dead.
    Denied,
    /// There is nothing left to decide.
    Superseded,
    /// The operator acts on no approval, as the cluster can't say who may approve.
    Unenforced,
}

/// One decision or order, and what became of it.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    /// Name of the RevivalRequest.
    pub request: String,
    /// What was decided; absent: nothing was.
    pub verdict: Option<DecisionVerdict>,
    /// What was approved.
    pub option: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The same in words.
    pub message: String,
    #[serde(skip)]
    seen: BTreeSet<RequestCondition>,
    /// It was not waited for any longer.
    #[serde(skip)]
    late: bool,
    /// The operator says that more people have to approve, as its policy asks for more than the request.
    #[serde(skip)]
    awaits_quorum: bool,
}

/// The results of a command that decides or orders.
#[derive(Serialize, JsonSchema, Clone, Debug)]
pub(super) struct Results {
    /// One for each request, in their order.
    pub results: Vec<Decided>,
}

impl Decided {
    /// A decision that stands in the request.
    pub fn of(request: &RevivalRequest, verdict: DecisionVerdict, option: Option<String>, message: String) -> Self {
        let mut decided = Self {
            request: request.name_any(),
            verdict: Some(verdict),
            option,
            outcome: Outcome::Recorded,
            message,
            seen: [RequestCondition::Pending].into(),
            late: false,
            awaits_quorum: false,
        };
        decided.outcome = decided.outcome(request);
        decided
    }

    pub fn failed(name: &str, message: &str) -> Self {
        Self {
            request: name.into(),
            verdict: None,
            option: None,
            outcome: Outcome::Failed,
            message: message.into(),
            seen: BTreeSet::new(),
            late: false,
            awaits_quorum: false,
        }
    }

    /// What became of it, by what the request says now.
    fn outcome(&self, request: &RevivalRequest) -> Outcome {
        let option = self.option.as_deref().unwrap_or_default();
        let enough = || i64::try_from(approvals(request, option)).unwrap_or(i64::MAX) >= request.spec.quorum;
        match standing(request) {
            Standing::Executed => Outcome::Executed,
            Standing::Superseded => Outcome::Superseded,
            Standing::Denied => Outcome::Denied,
            Standing::Approved => Outcome::Approved,
            Standing::Unenforced(_) if self.verdict == Some(DecisionVerdict::Approve) => Outcome::Unenforced,
            // The operator need not be asked: nothing follows before another person approves.
            Standing::Open if self.verdict == Some(DecisionVerdict::Approve) && !enough() => Outcome::QuorumMissing,
            Standing::Open | Standing::Unenforced(_) => Outcome::Recorded,
        }
    }

    /// Whether the operator has yet to act.
    fn is_under_way(&self) -> bool {
        match self.outcome {
            Outcome::Recorded | Outcome::Approved => true,
            Outcome::Failed
            | Outcome::DryRun
            | Outcome::QuorumMissing
            | Outcome::Executed
            | Outcome::Denied
            | Outcome::Superseded
            | Outcome::Unenforced => false,
        }
    }

    /// Takes note of what the request says, and tells what is new.
    fn look(&mut self, request: &RevivalRequest, output: Output) {
        for (r#type, line) in said(request) {
            if self.seen.insert(r#type) {
                output.tell(&format!("{}: {line}", self.request));
                self.message = line;
            }
        }
        self.outcome = self.outcome(request);
        self.awaits_quorum = awaits_quorum(request);
    }

    /// Why the command did not do what it was asked for, if it did not.
    fn trouble(&self) -> Option<String> {
        let denied = self.verdict == Some(DecisionVerdict::Deny);
        match self.outcome {
            Outcome::Failed => Some(self.message.clone()),
            Outcome::Recorded | Outcome::Approved if self.late => Some(self.message.clone()),
            Outcome::Denied if !denied => Some("was denied by somebody: the agents stay dead".into()),
            Outcome::Executed | Outcome::Approved if denied => Some("was approved before it could be denied".into()),
            Outcome::Superseded => Some("there was nothing left to decide".into()),
            Outcome::Unenforced => Some(
                "the approval is recorded, but the operator acts on none: the cluster lacks the admission policies that say who \
                 may approve; install them anew"
                    .into(),
            ),
            Outcome::DryRun
            | Outcome::Recorded
            | Outcome::QuorumMissing
            | Outcome::Approved
            | Outcome::Executed
            | Outcome::Denied => None,
        }
    }
}

/// Waits until the operator has acted on each decision, and tells each step once.
pub(super) async fn wait(cluster: &Cluster, waiting: &Waiting, output: Output, shutdown: &Shutdown, results: &mut [Decided]) {
    for result in results.iter().filter(|result| result.outcome == Outcome::QuorumMissing) {
        output.tell(&format!("{}: waits for another person's approval", result.request));
    }
    if !waiting.wait {
        return;
    }
    let clock = SystemClock;
    let end = clock.monotonic() + waiting.timeout;
    let api = cluster.objects::<RevivalRequest>();
    loop {
        let mut unseen = None;
        for result in results.iter_mut().filter(|result| result.is_under_way()) {
            match cluster.ask(api.get(&result.request)).await {
                Ok(request) => result.look(&request, output),
                // It is done, and was removed with its mission or after its time.
                Err(Failure::NotFound) => {
                    (result.outcome, result.message) = (Outcome::Superseded, "the request was removed".into());
                }
                // It is recorded in any case; the next look may do better.
                Err(failure) => unseen = Some(failure.to_string()),
            }
        }
        if !results.iter().any(Decided::is_under_way) {
            return;
        }
        let why = tokio::select! {
            () = tokio::time::sleep(LOOKS_EVERY) => (clock.monotonic() >= end).then(|| {
                let idle = || format!("the operator has not acted on it within {} s: is it running?", waiting.timeout.as_secs());
                unseen.unwrap_or_else(idle)
            }),
            () = shutdown.requested() => Some("interrupted: the operator will act on it all the same".into()),
        };
        if let Some(why) = why {
            for result in results.iter_mut().filter(|result| result.is_under_way()) {
                if result.awaits_quorum {
                    result.outcome = Outcome::QuorumMissing;
                    output.tell(&format!("{}: waits for another person's approval", result.request));
                    continue;
                }
                let so_far = if result.outcome == Outcome::Approved { "is being carried out" } else { "is recorded" };
                let what = if result.verdict == Some(DecisionVerdict::Deny) { "the denial" } else { "the approval" };
                (result.late, result.message) = (true, format!("{what} {so_far}, but {why}"));
            }
            return;
        }
    }
}

/// Writes the results; an error if any of it did not come to what was asked for.
pub(super) fn finish(output: Output, results: Vec<Decided>) -> Result<(), Error> {
    let troubles: Vec<_> = results.iter().filter_map(|result| Some((result.request.clone(), result.trouble()?))).collect();
    let count = results.len();
    if output.is_json() {
        output.write(&Results { results }, |_| String::new())?;
    }
    match troubles.as_slice() {
        [] => Ok(()),
        [(name, trouble)] if count == 1 && trouble.contains(name.as_str()) => Err(trouble.clone().into()),
        [(name, trouble)] if count == 1 => Err(format!("{name}: {trouble}").into()),
        some => {
            let names: Vec<_> = some.iter().map(|(name, trouble)| format!("{name} ({trouble})")).collect();
            Err(format!("{} of {count} did not come to what was asked for: {}", some.len(), names.join("; ")).into())
        }
    }
}

/// Reads a span such as 30s, 5m or 1h.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("a span is a number with s, m or h, such as 90s".into()),
    };
    let number: u32 = number.parse().map_err(|_| "a span is a number with s, m or h, such as 90s")?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}
