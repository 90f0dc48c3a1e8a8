//! Where a RevivalRequest stands.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::view::condition;
use crate::api::conditions::{RequestCondition, RequestReason};
use crate::api::{DecisionVerdict, RevivalRequest};

/// Where a request stands, by what the operator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has decided, or not enough people.
    Open,
    /// It can be decided, but the operator acts on no approval; why.
    Unenforced(String),
    /// Approved, and being carried out.
    Approved,
    /// Done.
    Executed,
    /// Denied.
    Denied,
    /// There is nothing left to decide.
    Superseded,
}

impl Standing {
    /// Whether it can still be decided.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Open | Self::Unenforced(_) => true,
            Self::Approved | Self::Executed | Self::Denied | Self::Superseded => false,
        }
    }
}

/// Where the request stands; one that the operator has not looked at yet is open.
pub(super) fn standing(request: &RevivalRequest) -> Standing {
    let found = |r#type: RequestCondition| find(request, r#type);
    match () {
        () if found(RequestCondition::Executed).is_some() => Standing::Executed,
        () if found(RequestCondition::Superseded).is_some() => Standing::Superseded,
        () if found(RequestCondition::Denied).is_some() => Standing::Denied,
        () if found(RequestCondition::Approved).is_some() => Standing::Approved,
        () => match found(RequestCondition::Pending) {
            Some(pending) if pending.reason == RequestReason::ApprovalUnenforced.as_str() => {
                Standing::Unenforced(pending.message.clone())
            }
            Some(_) | None => Standing::Open,
        },
    }
}

/// The request's conditions that hold, in the order in which they come about, each as a line for people.
pub(super) fn said(request: &RevivalRequest) -> Vec<(RequestCondition, String)> {
    let line = |r#type: &RequestCondition| {
        let Condition { message, .. } = find(request, *r#type)?;
        let message = if message.is_empty() { r#type.meaning() } else { message.as_str() };
        Some((*r#type, format!("{type}: {message}")))
    };
    RequestCondition::ALL.iter().filter_map(line).collect()
}

/// How many different people approve an option.
pub(super) fn approvals(request: &RevivalRequest, option: &str) -> usize {
    let decisions = request.status.iter().flat_map(|status| &status.decisions);
    let decided = decisions.filter(|decision| decision.verdict == DecisionVerdict::Approve).filter_map(|decision| {
        let chosen = decision.option.as_ref().or(request.spec.options.first())?;
        (chosen == option).then_some(decision.by.as_str())
    });
    // An order counts as the approval of who gave it.
    let ordered =
        request.spec.requested_by.as_deref().filter(|_| request.spec.options.first().is_some_and(|first| first == option));
    decided.chain(ordered).collect::<BTreeSet<_>>().len()
}

/// Whether the operator says that more people have to approve.
pub(super) fn awaits_quorum(request: &RevivalRequest) -> bool {
    let pending = find(request, RequestCondition::Pending);
    pending.is_some_and(|pending| pending.reason == RequestReason::AwaitingQuorum.as_str())
}

fn find(request: &RevivalRequest, r#type: RequestCondition) -> Option<&Condition> {
    let conditions = request.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition(conditions, r#type.as_str()).filter(|condition| condition.status == "True")
}
