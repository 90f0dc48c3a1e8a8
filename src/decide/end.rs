//! The verdict *Ended*: completion, disruption and death told apart, by the kubelet's word.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{Completion, LastEnd, Outcome};
use crate::observe::{Container, Pod};
use crate::runtime::time::to_time;

/// The end of an incarnation, and the end of its output.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    pub record: LastEnd,
    pub log: String,
}

/// The end is told by the node's clock and the request by the API server's, both in whole seconds: an end so shortly
/// before the request is taken for its consequence, which costs a finished agent another run but never a live one its attempts.
const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::seconds(5);

/// How the agent in this pod ended; `None` while it may still run.
pub(super) fn ended(pod: &Pod, completion: Completion, now: DateTime<Utc>) -> Option<End> {
    let (outcome, cause, exit_code, log, started, finished) = match &pod.container {
        Container::Ended { exit_code, reason, log, started, finished } => {
            let (outcome, cause) = classify(pod, completion, *exit_code, reason, *finished);
            (outcome, cause, Some(*exit_code), log.as_str(), *started, *finished)
        }
        // The kubelet or the pod garbage collector gave the pod up without a word about the container.
        Container::Unknown | Container::Waiting(..) | Container::Running(_) if pod.terminal => {
            let cause = pod.disruption.as_deref().or(pod.failure.as_deref()).unwrap_or("PodFailed");
            (Outcome::Disrupted, cause, None, "", None, None)
        }
        // Its node went down while the agent was held back: the kubelet makes no second sandbox for such a pod.
        Container::Unknown | Container::Waiting(..) if pod.sidecar.as_ref().is_some_and(|sidecar| sidecar.lost) => {
            (Outcome::Disrupted, "Unknown", None, "", None, None)
        }
        Container::Unknown | Container::Waiting(..) | Container::Running(_) => return None,
    };
    Some(End {
        record: LastEnd {
            pod_uid: pod.uid.clone(),
            outcome,
            cause: word(cause),
            exit_code,
            // A node's clock may be ahead; waits that begin in the future would be longer than they should.
            started_at: started.or(pod.created).map(|started| to_time(started.min(now))),
            at: to_time(finished.unwrap_or(now).min(now)),
            template: pod.template.clone(),
        },
        log: clean(log),
    })
}

/// Cause of the end of an incarnation whose node was lost.
pub(super) const NODE_LOST: &str = "NodeLost";

/// The end of an incarnation whose pod is gone without a trace of how its process ended.
pub(super) fn vanished(pod_uid: &str, cause: &str, started_at: Option<Time>, now: DateTime<Utc>) -> LastEnd {
    LastEnd {
        pod_uid: pod_uid.into(),
        outcome: Outcome::Disrupted,
        cause: cause.into(),
        exit_code: None,
        started_at,
        at: to_time(now),
        template: None,
    }
}

fn classify<'a>(
    pod: &'a Pod,
    completion: Completion,
    exit_code: i64,
    reason: &'a str,
    finished: Option<DateTime<Utc>>,
) -> (Outcome, &'a str) {
    // The kubelet kills what it evicts: whatever exit code follows says nothing about the agent.
    if let Some(disruption) = &pod.disruption {
        return (Outcome::Disrupted, disruption);
    }
    // A process ended by SIGTERM may well exit with 0.
    let by_itself = match (pod.deletion_requested, finished) {
        (None, _) => true,
        (Some(requested), Some(finished)) => finished + CLOCKS_DIFFER_BY < requested,
        (Some(_), None) => false,
    };
    if !by_itself {
        return (Outcome::Disrupted, "PodDeleted");
    }
    // The kubelet's words for a container that it lost sight of, after a crash of its node for example.
    if matches!(reason, "ContainerStatusUnknown" | "Unknown") {
        return (Outcome::Disrupted, reason);
    }
    if matches!(pod.failure.as_deref(), Some("Evicted" | "Preempting" | "NodeShutdown" | "Terminated" | "NodeLost")) {
        return (Outcome::Disrupted, pod.failure.as_deref().unwrap_or_default());
    }
    match completion {
        Completion::Required | Completion::Optional if exit_code == 0 => (Outcome::Completed, reason),
        Completion::Required | Completion::Optional | Completion::Service => (Outcome::Died, reason),
    }
}

// Reasons are words by convention only; status must hold one of bounded length.
fn word(cause: &str) -> String {
    let word: String = cause.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    if word.is_empty() { "Unknown".into() } else { word }
}

/// The last KiB of text that an agent wrote, without control characters.
fn clean(log: &str) -> String {
    let text: String = log.chars().filter(|character| !character.is_control() || *character == '\n').collect();
    let start = (text.len().saturating_sub(1024)..text.len()).find(|index| text.is_char_boundary(*index));
    start.and_then(|start| text.get(start..)).unwrap_or_default().trim().into()
}
