//! The questions to ask: one for all agents that died of one cause at about the same time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::conditions::Reason;
use crate::api::{
    AgentStatus, CellReference, EffectivePolicy, OnTimeout, RequestIncident, RequestOption, RequestVerb, RevivalRequestSpec,
    names,
};
use crate::decide::Action;
use crate::decide::part::candidates;
use crate::observe::{Request, Snapshot};
use crate::runtime::time::{from_time, to_time};

/// A cause that kills one agent often kills the next within moments: a question waits this long for them.
const GATHER: TimeDelta = TimeDelta::seconds(5);

/// The questions that are due, and when the next one is.
pub(in crate::decide) fn questions(
    snapshot: &Snapshot,
    policy: Option<&EffectivePolicy>,
    now: DateTime<Utc>,
) -> (Vec<Action>, Option<DateTime<Utc>>) {
    let Some(policy) = policy else { return (Vec::new(), None) };
    let mut causes: BTreeMap<&str, Vec<&AgentStatus>> = BTreeMap::new();
    for agent in snapshot.cell.status.agents.iter().filter(|agent| waits_unasked(snapshot, agent)) {
        causes.entry(cause(agent)).or_default().push(agent);
    }
    let mut next: Option<DateTime<Utc>> = None;
    let mut asked = Vec::new();
    for (cause, mut agents) in causes {
        agents.sort_by_key(|agent| agent.since.as_ref().map(from_time));
        let first = agents.first().and_then(|agent| agent.since.as_ref()).map_or(now, from_time);
        let due = first + GATHER;
        // A beginning in the future was told by a clock that was wrong.
        if first <= now && now < due {
            next = Some(next.map_or(due, |next| next.min(due)));
        } else {
            let (name, spec) = question(snapshot, policy, cause, &agents, now);
            // Somebody else has made a request of this name.
            match snapshot.refusals.get(&name).filter(|refusal| now < refusal.until) {
                Some(refusal) => next = Some(next.map_or(refusal.until, |next| next.min(refusal.until))),
                None => asked.push(Action::Ask { name, spec: Box::new(spec) }),
            }
        }
    }
    (asked, next)
}

/// The agent waits for a person, and no open question is about this incarnation.
fn waits_unasked(snapshot: &Snapshot, agent: &AgentStatus) -> bool {
    let in_spec = snapshot.cell.spec.agents.iter().any(|spec| spec.name == agent.name);
    let about = |request: &&Request| {
        let uid = agent.pod_uid.as_deref().unwrap_or_default();
        let same = |incident: &RequestIncident| incident.is_about(&agent.name, uid);
        request.spec.incidents.iter().any(same) && !request.status.is_closed()
    };
    in_spec && agent.reason == Some(Reason::AwaitingApproval) && !snapshot.requests.iter().any(|request| about(&request))
}

/// Why an agent is dead, in one word.
pub(in crate::decide) fn cause(agent: &AgentStatus) -> &str {
    let ended = agent.last_end.as_ref().filter(|end| Some(&end.pod_uid) == agent.pod_uid.as_ref());
    let by_verdict = || agent.verdict.as_ref().map_or("Unknown", |verdict| verdict.rule.as_ref());
    ended.map_or_else(by_verdict, |end| end.cause.as_str())
}

fn question(
    snapshot: &Snapshot,
    policy: &EffectivePolicy,
    cause: &str,
    agents: &[&AgentStatus],
    now: DateTime<Utc>,
) -> (String, RevivalRequestSpec) {
    let cell = &snapshot.cell;
    let uid = |agent: &AgentStatus| agent.pod_uid.clone().unwrap_or_default();
    let first = agents.first();
    let since = first.and_then(|agent| agent.since.as_ref()).map(|since| from_time(since).timestamp().to_string());
    let first_uid = first.map(|agent| uid(agent)).unwrap_or_default();
    // Earlier questions about it that came to nothing have names of their own.
    let about = |request: &&Request| request.spec.incidents.iter().any(|incident| incident.pod_uid == first_uid);
    let earlier = snapshot.requests.iter().filter(about).count();
    let since = format!("{}/{earlier}", since.unwrap_or_default());
    let name = names::request_name(&cell.name, &cell.uid, cause, &first_uid, &since);
    let incidents = agents.iter().map(|agent| {
        let end = agent.last_end.as_ref().filter(|end| end.pod_uid == uid(agent));
        RequestIncident {
            agent: agent.name.clone(),
            pod_uid: uid(agent),
            cause: cause.into(),
            exit_code: end.and_then(|end| end.exit_code),
            attempts: agent.deaths,
            node: agent.node.clone(),
            at: end.map(|end| end.at.clone()).or_else(|| agent.since.clone()),
        }
    });
    let approval = policy.approval;
    let expires = (approval.timeout_seconds > 0).then(|| to_time(now + TimeDelta::seconds(approval.timeout_seconds)));
    let spec = RevivalRequestSpec {
        cell_ref: CellReference { name: cell.name.clone(), uid: cell.uid.clone() },
        verb: RequestVerb::Revive,
        incidents: incidents.collect(),
        options: options(snapshot, policy, agents),
        requested_at: to_time(now),
        on_timeout: if expires.is_some() { approval.on_timeout } else { OnTimeout::Wait },
        expires_at: expires,
        quorum: approval.quorum,
        requested_by: None,
        comment: None,
    };
    (name, spec)
}

/// What can be approved: of one agent's substitutes a person may choose.
fn options(snapshot: &Snapshot, policy: &EffectivePolicy, agents: &[&AgentStatus]) -> Vec<String> {
    let specs = &snapshot.cell.spec.agents;
    let candidates = |agent: &AgentStatus| {
        let spec = specs.iter().find(|spec| spec.name == agent.name);
        let named = spec.map(|spec| candidates(&snapshot.cell, policy, spec)).unwrap_or_default();
        let others = named.into_iter().filter(|name| **name != agent.name && specs.iter().any(|spec| spec.name == **name));
        others.cloned().collect()
    };
    let substitutes: Vec<Vec<String>> = agents.iter().map(|agent| candidates(agent)).collect();
    let others: Vec<RequestOption> = match substitutes.as_slice() {
        [only] => only.iter().take(8).map(|name| RequestOption::Substitute(Some(name.clone()))).collect(),
        many if many.iter().any(|names| !names.is_empty()) => vec![RequestOption::Substitute(None)],
        _ => Vec::new(),
    };
    std::iter::once(RequestOption::Revive).chain(others).map(|option| option.to_string()).collect()
}
