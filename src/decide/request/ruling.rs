//! What people's decisions amount to.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::conditions::RequestReason;
use crate::api::{Decision, DecisionVerdict, EffectiveApproval, EffectivePolicy, OnTimeout, RequestOption, RevivalRequestSpec};
use crate::observe::{Request, Snapshot};
use crate::runtime::time::from_time;

/// Where a question stands by the decisions about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decide) enum Standing {
    /// It is open; why, in words.
    Pending(RequestReason, String),
    /// This is to be done.
    Approved { option: RequestOption, by: String },
    /// Nothing is to be done.
    Denied { by: String },
    /// It may have been written by anybody, so it never counts.
    Void(String),
}

/// Who decided where nobody did in time.
pub(in crate::decide) const TIMEOUT: &str = "timeout";

/// Weighs the decisions: one that denies wins; else as many as the quorum asks must approve the same option; else the time may
/// be over. What a decision says of its own time counts for nothing.
pub(in crate::decide) fn standing(
    snapshot: &Snapshot,
    policy: &EffectivePolicy,
    request: &Request,
    now: DateTime<Utc>,
) -> Standing {
    let spec = &request.spec;
    let decisions = &request.status.decisions;
    if let Some(missing) = &snapshot.unenforced {
        let message = format!("no approval counts while the cluster does not check who approves: {missing}");
        let written = spec.requested_by.is_some() || !decisions.is_empty();
        return if written { Standing::Void(message) } else { Standing::Pending(RequestReason::ApprovalUnenforced, message) };
    }
    if let Some(denial) = decisions.iter().find(|decision| decision.verdict == DecisionVerdict::Deny) {
        return Standing::Denied { by: denial.by.clone() };
    }
    let quorum = quorum(&policy.approval, spec);
    let approvals = spec.options.iter().map(|option| (option, approvers(request, option)));
    let most = approvals.max_by_key(|(_, approvers)| approvers.len());
    let enough = |approvers: &BTreeSet<&str>| i64::try_from(approvers.len()).unwrap_or(i64::MAX) >= quorum;
    if let Some((option, approvers)) = most.as_ref().filter(|(_, approvers)| enough(approvers))
        && let Ok(option) = option.parse()
    {
        return Standing::Approved { option, by: approvers.iter().copied().collect::<Vec<_>>().join(",") };
    }
    let on_timeout = times_out(policy, request);
    let over = on_timeout.is_some_and(|(expires, _)| expires <= now);
    let by = || TIMEOUT.to_owned();
    match on_timeout.map_or(OnTimeout::Wait, |(_, on_timeout)| on_timeout) {
        OnTimeout::Deny if over => return Standing::Denied { by: by() },
        OnTimeout::Revive if over => return Standing::Approved { option: RequestOption::Revive, by: by() },
        OnTimeout::Substitute if over => return Standing::Approved { option: RequestOption::Substitute(None), by: by() },
        OnTimeout::Wait if over => {
            return Standing::Pending(RequestReason::Overdue, "nobody decided in time; it waits on".into());
        }
        OnTimeout::Wait | OnTimeout::Deny | OnTimeout::Revive | OnTimeout::Substitute => {}
    }
    match most.filter(|(_, approvers)| !approvers.is_empty()) {
        None => Standing::Pending(RequestReason::AwaitingDecision, "nobody has decided yet".into()),
        Some((option, approvers)) => {
            let message = format!("{} of {quorum} people have approved {option}", approvers.len());
            Standing::Pending(RequestReason::AwaitingQuorum, message)
        }
    }
}

/// When nobody has decided in time, and what follows.
pub(in crate::decide) fn times_out(policy: &EffectivePolicy, request: &Request) -> Option<(DateTime<Utc>, OnTimeout)> {
    expiry(&policy.approval, &request.spec, request.created)
}

/// When a request that was made at this time expires, and what follows: never more than the policy says now, and never
/// before. `None`: it does not.
#[must_use]
pub fn expiry(
    approval: &EffectiveApproval,
    spec: &RevivalRequestSpec,
    created: DateTime<Utc>,
) -> Option<(DateTime<Utc>, OnTimeout)> {
    let expires = spec.expires_at.as_ref().map(from_time)?;
    let same = approval.timeout_seconds > 0 && approval.on_timeout == spec.on_timeout;
    let least = created + TimeDelta::seconds(approval.timeout_seconds);
    Some(if same { (expires.max(least), approval.on_timeout) } else { (expires, OnTimeout::Wait) })
}

/// How many people must approve the same option. A person who makes a request writes its quorum too; the policy's is not to be
/// undercut by that.
#[must_use]
pub fn quorum(approval: &EffectiveApproval, spec: &RevivalRequestSpec) -> i64 {
    spec.quorum.max(approval.quorum)
}

fn approvers<'a>(request: &'a Request, option: &str) -> BTreeSet<&'a str> {
    let spec = &request.spec;
    let first = spec.options.first().map(String::as_str);
    let approves = |decision: &&Decision| {
        decision.verdict == DecisionVerdict::Approve && decision.option.as_deref().or(first) == Some(option)
    };
    // Whoever orders it approves of it.
    let orderer = spec.requested_by.as_deref().filter(|_| first == Some(option));
    request.status.decisions.iter().filter(approves).map(|decision| decision.by.as_str()).chain(orderer).collect()
}
