//! Why the gateway has not admitted an agent whose sidecar runs, as far as the leader can know.

use chrono::TimeDelta;

use super::Look;
use crate::api::conditions::Reason;
use crate::decide::phase::{ADMITTED_WITHIN, Shown};
use crate::observe::{Asked, Obstacle, Pod};

/// Nothing wakes a mission for this, however often a sidecar tries: it is looked for now and then.
const LOOKED_FOR: TimeDelta = TimeDelta::seconds(60);

impl Look<'_> {
    /// Adds to an agent that awaits its admission why it does.
    pub(super) fn awaiting(&self, pod: &Pod, shown: Shown) -> Shown {
        let shown = Shown { recheck_at: Some(self.now + LOOKED_FOR), ..shown };
        let pulse = self.snapshot.pulses.get(&pod.uid).copied().unwrap_or_default();
        let why = match (pulse.asked, self.snapshot.obstacle) {
            (Asked::Taken, _) => "the kubelet has not seen yet that the gateway admitted it",
            (Asked::OtherIssuer, _) => "the gateway refuses its token: it is of another issuer than the API server names",
            (Asked::OtherAudience, _) => "the gateway refuses its token: it is for another audience",
            (Asked::NotNow, _) => {
                "the gateway refuses its token: it has expired or is not valid yet; do the clocks of API server and operator \
                 differ?"
            }
            (Asked::NotUnderstood, _) => "the gateway does not understand it: is its image of the operator's version?",
            (Asked::Slow, _) => "its requests reach the gateway too slowly",
            (Asked::Never, Some(Obstacle::NoKeys)) => {
                "the operator can't read the API server's keys for tokens; the operator's log says why"
            }
            (Asked::Never, Some(Obstacle::Untold)) => {
                "the operator can't write the namespace's ConfigMap lazarus-gateway; the operator's log says why"
            }
            (Asked::Never, None) if TimeDelta::seconds(pulse.age.into()) >= ADMITTED_WITHIN => {
                "nothing has reached the gateway with a good token of its pod: look at NetworkPolicies, the address in ConfigMap \
                 lazarus-gateway, and the sidecar's log"
            }
            // This replica leads since a moment ago; what the one before found out still holds.
            (Asked::Never, None) => return self.as_told(pod, shown),
        };
        Shown { evidence: format!("its sidecar runs, but {why}"), ..shown }
    }

    fn as_told(&self, pod: &Pod, shown: Shown) -> Shown {
        let same = self.old.reason == Some(Reason::AwaitingAdmission) && self.old.pod_uid.as_ref() == Some(&pod.uid);
        match self.old.verdict.as_ref().filter(|_| same) {
            Some(verdict) => Shown { evidence: verdict.evidence.clone(), ..shown },
            None => shown,
        }
    }
}
