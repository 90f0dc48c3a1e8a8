//! What people decided about an agent, taken over into its record before anything is done.

use chrono::{DateTime, Utc};

use super::{Assessment, Look};
use crate::api::conditions::Reason;
use crate::api::{AgentStatus, DecisionVerdict, LastEnd, OnTimeout, RequestIncident, Revive, Ruling};
use crate::decide::policy;
use crate::decide::request::{Standing, TIMEOUT, is_to_return, ruling, standing, stands, times_out};
use crate::observe::{Pod, Request};
use crate::runtime::time::to_time;

impl Look<'_> {
    /// A ruling about this incarnation that is not in the record yet.
    ///
    /// What was decided once stays so, and what is approved is under way: only a person's later order goes beyond it, and
    /// none interrupts a return.
    pub(super) fn new_ruling(&self, pod_uid: &str) -> Option<Ruling> {
        let policy = self.policy.filter(|_| !is_to_return(self.old))?;
        let stored = self.old.ruling.as_ref().filter(|ruling| ruling.pod_uid == pod_uid);
        let may_decide = |request: &&Request| {
            let stands = stands(&self.snapshot.cell, request, &self.spec.name, pod_uid);
            let counts = |stored: &Ruling| request.spec.requested_by.is_some() && self.is_later(request, stored);
            !request.status.is_closed() && stands && stored.is_none_or(counts)
        };
        self.snapshot.requests.iter().filter(may_decide).find_map(|request| {
            let (verdict, option, by) = match standing(self.snapshot, policy, request, self.now) {
                Standing::Pending(..) | Standing::Void(_) => return None,
                Standing::Approved { option, by } => (DecisionVerdict::Approve, Some(option.to_string()), by),
                Standing::Denied { by } => (DecisionVerdict::Deny, None, by),
            };
            // The policy became stricter while nobody decided.
            let strict = || policy::revive(policy, self.spec) == Revive::Never;
            let refused = by == TIMEOUT && verdict == DecisionVerdict::Approve && strict();
            let at = to_time(self.now);
            let request = request.name.clone();
            (!refused).then(|| Ruling { request, pod_uid: pod_uid.into(), verdict, option, by, at })
        })
    }

    /// Whether a request was made after the one that was ruled on; requests are sorted by their age.
    fn is_later(&self, request: &Request, stored: &Ruling) -> bool {
        let place = |name: &str| self.snapshot.requests.iter().position(|request| request.name == name);
        place(&request.name) > place(&stored.request)
    }

    /// Writes down what was decided about an end that is recorded.
    pub(super) fn adopt(&self, ruling: Ruling, end: &LastEnd, pod: Option<&Pod>) -> Assessment {
        let old = AgentStatus { ruling: Some(ruling), ..self.old.clone() };
        let after = self.with(&old, &self.brakes.ahead()).after(end, pod);
        Assessment { evidence: true, actions: Vec::new(), ..after }
    }

    /// The ruling that stands about the agent's last incarnation.
    pub(super) fn ruling(&self) -> Option<&Ruling> {
        ruling(self.old)
    }

    /// Whether people were asked about this incarnation: a change of the spec is no answer.
    pub(super) fn was_asked(&self, pod_uid: &str) -> bool {
        let about = |incident: &RequestIncident| incident.is_about(&self.spec.name, pod_uid);
        let asked = |request: &Request| {
            request.spec.requested_by.is_none() && !request.status.is_closed() && request.spec.incidents.iter().any(about)
        };
        let waits = self.old.reason == Some(Reason::AwaitingApproval);
        (waits && self.old.pod_uid.as_deref() == Some(pod_uid)) || self.snapshot.requests.iter().any(asked)
    }

    /// When the question about this incarnation times out, and what follows.
    pub(super) fn times_out(&self) -> Option<(DateTime<Utc>, OnTimeout)> {
        let pod_uid = self.old.pod_uid.as_ref()?;
        let about = |incident: &RequestIncident| incident.is_about(&self.spec.name, pod_uid);
        let asked = |request: &&Request| !request.status.is_closed() && request.spec.incidents.iter().any(about);
        let request = self.snapshot.requests.iter().find(asked)?;
        times_out(self.policy?, request).filter(|(at, _)| self.now < *at)
    }
}
