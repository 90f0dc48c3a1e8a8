//! What people's decisions amount to.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::api::conditions::{RequestCondition, RequestReason};
use crate::api::{Decision, DecisionVerdict, EffectivePolicy, OnTimeout, RequestOption};
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
    if let Some(missing) = &snapshot.unenforced {
        let message = format!("no approval counts while the cluster does not check who approves: {missing}");
        return Standing::Pending(RequestReason::ApprovalUnenforced, message);
    }
    let spec = &request.spec;
    let decisions = &request.status.decisions;
    if let Some(denial) = decisions.iter().find(|decision| decision.verdict == DecisionVerdict::Deny) {
        return Standing::Denied { by: denial.by.clone() };
    }
    // A person who makes a request writes its quorum too; the policy's is not to be undercut by that.
    let quorum = spec.quorum.max(policy.approval.quorum);
    let approvals = spec.options.iter().map(|option| (option, approvers(request, option)));
    let most = approvals.max_by_key(|(_, approvers)| approvers.len());
    let enough = |approvers: &BTreeSet<&str>| i64::try_from(approvers.len()).unwrap_or(i64::MAX) >= quorum;
    if let Some((option, approvers)) = most.as_ref().filter(|(_, approvers)| enough(approvers))
        && let Ok(option) = option.parse()
    {
        return Standing::Approved { option, by: approvers.iter().copied().collect::<Vec<_>>().join(",") };
    }
    let over = spec.expires_at.as_ref().is_some_and(|expires| from_time(expires) <= now);
    let by = || TIMEOUT.to_owned();
    match spec.on_timeout {
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

/// Whether the request is closed for good, by its own status.
pub(in crate::decide) fn is_closed(request: &Request) -> bool {
    let closed = [RequestCondition::Denied, RequestCondition::Superseded, RequestCondition::Executed];
    closed.into_iter().any(|condition| holds(request, condition))
}

/// Whether a condition is true in its stored status.
pub(super) fn holds(request: &Request, condition: RequestCondition) -> bool {
    request.status.conditions.iter().any(|found| found.type_ == condition.as_str() && found.status == "True")
}
