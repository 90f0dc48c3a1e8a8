//! What a pod whose agent has not ended says about the agent.

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::AgentState;
use crate::api::conditions::Reason;
use crate::observe::{Container, Pod};

/// The state of an agent as its pod shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub state: AgentState,
    pub reason: Option<Reason>,
    pub rule: &'static str,
    pub evidence: String,
    /// When this began, as far as the pod says.
    pub began: Option<DateTime<Utc>>,
    /// When to look again although the pod has not changed.
    pub recheck_at: Option<DateTime<Utc>>,
}

/// The scheduler often finds a place a moment after it found none.
const UNSCHEDULABLE_FOR: TimeDelta = TimeDelta::seconds(5);

/// Reads the agent's state from a pod that is neither ended nor being deleted.
pub(super) fn shown(pod: &Pod, now: DateTime<Utc>) -> Shown {
    match &pod.container {
        Container::Running(started) => Shown {
            state: AgentState::Alive,
            reason: None,
            rule: "Alive",
            evidence: "the agent's container is running".into(),
            began: started.or(pod.scheduled),
            recheck_at: None,
        },
        Container::Waiting(reason, message) => match held(reason) {
            Some(hold) => {
                let text = if message.is_empty() { reason } else { message };
                Shown {
                    state: AgentState::Waiting,
                    reason: Some(hold),
                    rule: "Hold",
                    evidence: format!("the kubelet says: {text}"),
                    began: pod.scheduled,
                    recheck_at: None,
                }
            }
            None => starting(pod, now),
        },
        // An ended container is an end, which the caller has dealt with.
        Container::Unknown | Container::Ended { .. } if pod.node.is_some() => starting(pod, now),
        Container::Unknown | Container::Ended { .. } => unplaced(pod, now),
    }
}

// A new pod would be no better in any of these, and would lose the place in the kubelet's own backoff.
fn held(reason: &str) -> Option<Reason> {
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Some(Reason::ImagePull),
        "CreateContainerConfigError" | "CreateContainerError" => Some(Reason::ConfigError),
        _ => None,
    }
}

/// Admission takes a moment; one that takes longer than this is worth telling.
pub(super) const ADMITTED_WITHIN: TimeDelta = TimeDelta::seconds(30);

fn starting(pod: &Pod, now: DateTime<Utc>) -> Shown {
    let began = pod.scheduled.or(pod.created);
    let sidecar = pod.sidecar.as_ref();
    if let Some((reason, message)) = sidecar.and_then(|sidecar| sidecar.waiting.as_ref())
        && let Some(hold) = held(reason)
    {
        let text = if message.is_empty() { reason } else { message };
        let evidence = format!("the kubelet says of the sidecar: {text}");
        return Shown { state: AgentState::Waiting, reason: Some(hold), rule: "Hold", evidence, began, recheck_at: None };
    }
    let asks_since = sidecar.filter(|sidecar| !sidecar.admitted).and_then(|sidecar| sidecar.running);
    let late = asks_since.map(|since| since + ADMITTED_WITHIN);
    if late.is_some_and(|late| late <= now) {
        let evidence = "its sidecar runs, but the gateway has not admitted it yet".into();
        let (state, reason) = (AgentState::Starting, Some(Reason::AwaitingAdmission));
        return Shown { state, reason, rule: "Admission", evidence, began: asks_since, recheck_at: None };
    }
    Shown {
        state: AgentState::Starting,
        reason: None,
        rule: "Starting",
        evidence: format!("node {} has the pod; its container is not running yet", pod.node.as_deref().unwrap_or("?")),
        began,
        recheck_at: late,
    }
}

fn unplaced(pod: &Pod, now: DateTime<Utc>) -> Shown {
    match &pod.unschedulable {
        Some((message, since)) if *since + UNSCHEDULABLE_FOR <= now => Shown {
            state: AgentState::Waiting,
            reason: Some(Reason::Unschedulable),
            rule: "Hold",
            evidence: format!("the scheduler says: {message}"),
            began: Some(*since),
            recheck_at: None,
        },
        unschedulable => Shown {
            state: AgentState::Pending,
            reason: None,
            rule: "Pending",
            evidence: "the pod has no node yet".into(),
            began: pod.created,
            recheck_at: unschedulable.as_ref().map(|(_, since)| *since + UNSCHEDULABLE_FOR),
        },
    }
}
