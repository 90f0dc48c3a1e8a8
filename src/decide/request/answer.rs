//! What the status of each request is to say, and which are old enough to go.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::ruling::TIMEOUT;
use super::{Standing, ruled, standing, stands};
use crate::api::conditions::{RequestCondition, RequestReason};
use crate::api::{Decision, DecisionVerdict, EffectivePolicy, RequestSummary, RevivalRequestStatus};
use crate::decide::{Action, Answer};
use crate::observe::{Request, Snapshot};
use crate::runtime::time::{from_time, to_time};

struct Finding {
    r#type: RequestCondition,
    reason: RequestReason,
    message: String,
}

/// The statuses of requests that no longer say what is so.
pub(in crate::decide) fn answers(snapshot: &Snapshot, policy: Option<&EffectivePolicy>, now: DateTime<Utc>) -> Vec<Answer> {
    let Some(policy) = policy else { return Vec::new() };
    let open = snapshot.requests.iter().filter(|request| !request.status.is_closed());
    let answer = |request: &Request| {
        let status = status(request, &findings(snapshot, policy, request, now), now);
        let Request { name, uid, version, created: _, spec: _, status: stored } = request;
        let changed = *stored != status;
        changed.then(|| Answer { request: name.clone(), uid: uid.clone(), version: version.clone(), status: Box::new(status) })
    };
    open.filter_map(answer).collect()
}

/// The requests that were closed so long ago that nobody needs them any more.
pub(in crate::decide) fn forgotten(
    snapshot: &Snapshot,
    policy: Option<&EffectivePolicy>,
    now: DateTime<Utc>,
) -> (Vec<Action>, Option<DateTime<Utc>>) {
    let Some(policy) = policy else { return (Vec::new(), None) };
    let mut next: Option<DateTime<Utc>> = None;
    let mut actions = Vec::new();
    for request in snapshot.requests.iter().filter(|request| request.status.is_closed()) {
        let closed = request.status.conditions.iter().map(|condition| from_time(&condition.last_transition_time)).max();
        let due = closed.unwrap_or(request.created) + TimeDelta::seconds(policy.approval.retain_seconds);
        if due <= now {
            actions.push(Action::Forget { request: request.name.clone(), uid: request.uid.clone() });
        } else {
            next = Some(next.map_or(due, |next| next.min(due)));
        }
    }
    (actions, next)
}

fn findings(snapshot: &Snapshot, policy: &EffectivePolicy, request: &Request, now: DateTime<Utc>) -> Vec<Finding> {
    let cell = &snapshot.cell;
    let rulings: Vec<_> = ruled(cell, request).collect();
    if let Some((_, _, ruling)) = rulings.first() {
        let timeout = ruling.by == TIMEOUT;
        let reason = if timeout { RequestReason::ByTimeout } else { RequestReason::ByPerson };
        let what = ruling.option.clone().unwrap_or_default();
        let expired =
            timeout.then(|| Finding { r#type: RequestCondition::Expired, reason, message: "nobody decided in time".into() });
        let mut findings = match ruling.verdict {
            DecisionVerdict::Deny => {
                vec![Finding { r#type: RequestCondition::Denied, reason, message: format!("denied by {}", ruling.by) }]
            }
            DecisionVerdict::Approve => {
                vec![Finding { r#type: RequestCondition::Approved, reason, message: format!("{what} approved by {}", ruling.by) }]
            }
        };
        let under_way = rulings.iter().any(|(incident, agent, ruling)| {
            let waits = agent.pod_uid.as_ref() == Some(&incident.pod_uid);
            waits && (agent.holder.is_none() || ruling.option.as_deref() == Some("Revive"))
        });
        // An agent that died before it was taken over by the ruling of its companions waits for its own.
        let all = request.spec.incidents.iter().all(|incident| {
            let ruled = rulings.iter().any(|(ruled, _, _)| ruled.agent == incident.agent);
            ruled || !stands(cell, request, &incident.agent, &incident.pod_uid)
        });
        if ruling.verdict == DecisionVerdict::Deny && !all {
            // It stays open until each of them has it in the record.
            return Vec::new();
        }
        if ruling.verdict == DecisionVerdict::Approve && !under_way && all {
            let done: Vec<_> = rulings
                .iter()
                .map(|(_, agent, _)| match &agent.holder {
                    Some(holder) => format!("{holder} took over the part of {}", agent.name),
                    None => format!("{} is incarnation {}", agent.name, agent.attempt),
                })
                .collect();
            findings.push(Finding { r#type: RequestCondition::Executed, reason: RequestReason::Done, message: done.join("; ") });
        }
        return expired.into_iter().chain(findings).collect();
    }
    // What was approved and then left no trace was taken over by something else.
    if !request.spec.incidents.iter().any(|incident| stands(cell, request, &incident.agent, &incident.pod_uid)) {
        let message = "none of these incarnations is dead and still the agent's last one".into();
        return vec![Finding { r#type: RequestCondition::Superseded, reason: RequestReason::NothingToDecide, message }];
    }
    let (reason, message) = match standing(snapshot, policy, request, now) {
        Standing::Pending(reason, message) => (reason, message),
        Standing::Void(message) => {
            return vec![Finding { r#type: RequestCondition::Superseded, reason: RequestReason::ApprovalUnenforced, message }];
        }
        // It is about to be taken over into the mission's status.
        Standing::Approved { .. } | Standing::Denied { .. } => return Vec::new(),
    };
    vec![Finding { r#type: RequestCondition::Pending, reason, message }]
}

fn status(request: &Request, findings: &[Finding], now: DateTime<Utc>) -> RevivalRequestStatus {
    let stored = &request.status;
    let Some(last) = findings.last() else { return stored.clone() };
    let condition = |finding: &Finding| {
        let before = stored.conditions.iter().find(|stored| stored.type_ == finding.r#type.as_str() && stored.status == "True");
        Condition {
            type_: finding.r#type.as_str().into(),
            status: "True".into(),
            reason: finding.reason.as_str().into(),
            message: finding.message.clone(),
            observed_generation: None,
            last_transition_time: before.map_or_else(|| to_time(now), |before| before.last_transition_time.clone()),
        }
    };
    let agents: Vec<_> = request.spec.incidents.iter().map(|incident| incident.agent.as_str()).collect();
    let by: Vec<_> =
        stored.decisions.iter().map(|Decision { by, .. }| by.as_str()).chain(request.spec.requested_by.as_deref()).collect();
    let expired = findings.iter().any(|finding| finding.r#type == RequestCondition::Expired);
    let by = if expired { vec![TIMEOUT] } else { by };
    RevivalRequestStatus {
        conditions: findings.iter().map(condition).collect(),
        summary: Some(RequestSummary {
            agents: agents.join(","),
            decision: last.r#type.as_str().into(),
            by: Some(by.join(",")).filter(|by| !by.is_empty()),
            message: last.message.clone(),
        }),
        decisions: stored.decisions.clone(),
    }
}
