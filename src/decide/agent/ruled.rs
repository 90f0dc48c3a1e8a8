//! What people decided about an agent, taken over into its record before anything is done.

use chrono::{DateTime, Utc};

use super::storm::Brakes;
use super::{Assessment, Look, pods};
use crate::api::conditions::Reason;
use crate::api::{AgentStatus, DecisionVerdict, LastEnd, OnTimeout, RequestIncident, Ruling};
use crate::decide::request::{Standing, is_closed, ruling, standing};
use crate::observe::{Pod, Request};
use crate::runtime::time::{from_time, to_time};

impl Look<'_> {
    /// A ruling about this incarnation that is not in the record yet.
    pub(super) fn new_ruling(&self, pod_uid: &str) -> Option<Ruling> {
        let policy = self.policy?;
        let stored = self.old.ruling.as_ref().filter(|ruling| ruling.pod_uid == pod_uid);
        let denied = stored.is_some_and(|stored| stored.verdict == DecisionVerdict::Deny);
        let about = |request: &&Request| {
            let incidents = &request.spec.incidents;
            incidents.iter().any(|incident| incident.agent == self.spec.name && incident.pod_uid == pod_uid)
        };
        // What was decided once stays so, and what is approved is under way; only a person's order goes beyond a denial, and
        // brings back an agent whose part another has.
        let open = self.snapshot.requests.iter().filter(|request| !is_closed(request));
        let may_decide = |request: &&Request| match stored {
            None => true,
            Some(stored) => {
                let ordered = request.spec.requested_by.is_some() && stored.request != request.name;
                ordered && (denied || self.old.holder.is_some())
            }
        };
        let mut candidates = open.filter(about).filter(may_decide);
        candidates.find_map(|request| {
            let (verdict, option, by) = match standing(self.snapshot, policy, request, self.now) {
                Standing::Pending(..) => return None,
                Standing::Approved { option, by } => (DecisionVerdict::Approve, Some(option.to_string()), by),
                Standing::Denied { by } => (DecisionVerdict::Deny, None, by),
            };
            let at = to_time(self.now);
            Some(Ruling { request: request.name.clone(), pod_uid: pod_uid.into(), verdict, option, by, at })
        })
    }

    /// Writes down what was decided about an end that is recorded.
    pub(super) fn adopt(&self, ruling: Ruling, end: &LastEnd, pod: Option<&Pod>) -> Assessment {
        let old = AgentStatus { ruling: Some(ruling), ..self.old.clone() };
        let (pods, template) = (pods::Pods::of(self.snapshot, &old), self.template.clone());
        let look = Look { old: &old, pods, template, brakes: &Brakes::none(), ..*self };
        let after = look.after(end, pod);
        Assessment { evidence: true, actions: Vec::new(), ..after }
    }

    /// The ruling that stands about the agent's last incarnation.
    pub(super) fn ruling(&self) -> Option<&Ruling> {
        ruling(self.old)
    }

    /// Whether people were asked about this incarnation: a change of the spec is no answer.
    pub(super) fn was_asked(&self, pod_uid: &str) -> bool {
        let about = |incident: &RequestIncident| incident.agent == self.spec.name && incident.pod_uid == pod_uid;
        let asked = |request: &Request| {
            request.spec.requested_by.is_none() && !is_closed(request) && request.spec.incidents.iter().any(about)
        };
        let waits = self.old.reason == Some(Reason::AwaitingApproval);
        (waits && self.old.pod_uid.as_deref() == Some(pod_uid)) || self.snapshot.requests.iter().any(asked)
    }

    /// When the question about this incarnation times out, and what follows.
    pub(super) fn times_out(&self) -> Option<(DateTime<Utc>, OnTimeout)> {
        let about =
            |incident: &RequestIncident| incident.agent == self.spec.name && Some(&incident.pod_uid) == self.old.pod_uid.as_ref();
        let asked = |request: &&Request| !is_closed(request) && request.spec.incidents.iter().any(about);
        let request = self.snapshot.requests.iter().find(asked)?;
        let at = request.spec.expires_at.as_ref().map(from_time).filter(|at| self.now < *at)?;
        Some((at, request.spec.on_timeout))
    }
}
