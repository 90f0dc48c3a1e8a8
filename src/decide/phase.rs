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
            None => starting(pod),
        },
        // An ended container is an end, which the caller has dealt with.
        Container::Unknown | Container::Ended { .. } if pod.node.is_some() => starting(pod),
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

fn starting(pod: &Pod) -> Shown {
    Shown {
        state: AgentState::Starting,
        reason: None,
        rule: "Starting",
        evidence: format!("node {} has the pod; its container is not running yet", pod.node.as_deref().unwrap_or("?")),
        began: pod.scheduled.or(pod.created),
        recheck_at: None,
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
