//! Why the gateway has not admitted an agent whose sidecar runs, as far as the leader can know.

use chrono::TimeDelta;

use super::Look;
use crate::api::conditions::Reason;
use crate::api::{AgentState, Isolation};
use crate::decide::phase::{ADMITTED_WITHIN, Shown};
use crate::observe::{Asked, Network, Obstacle, Pod};

/// Nothing wakes a mission for this, however often a sidecar tries: it is looked for now and then.
const LOOKED_FOR: TimeDelta = TimeDelta::seconds(60);

/// A network plugin may come to a new pod a moment late.
const ENFORCED_WITHIN: TimeDelta = TimeDelta::seconds(10);

impl Look<'_> {
    /// What is shown of an agent that is not admitted because its network is open; `None`: that is not why.
    pub(super) fn unenforced(&self, pod: &Pod, shown: &Shown) -> Option<Shown> {
        let sidecar = pod.sidecar.as_ref().filter(|sidecar| !sidecar.admitted && shown.state == AgentState::Starting);
        let since = sidecar?.running?;
        let pulse = self.snapshot.pulses.get(&pod.uid).copied().unwrap_or_default();
        let told = self.was_told(Reason::NetworkNotEnforced, pod);
        let due = since + ENFORCED_WITHIN;
        match pulse.network {
            Network::Open if told || due <= self.now => {}
            Network::Open => {
                let recheck_at = shown.recheck_at.map_or(due, |recheck_at| recheck_at.min(due));
                return Some(Shown { recheck_at: Some(recheck_at), ..shown.clone() });
            }
            // This replica leads since a moment ago; what the one before was told still holds.
            Network::Unknown if told && pulse.asked == Asked::Never => {}
            Network::Unknown | Network::Closed => return None,
        }
        Some(Shown {
            state: AgentState::Waiting,
            reason: Some(Reason::NetworkNotEnforced),
            rule: "Network",
            evidence: "its pod reaches what no NetworkPolicy of the operator allows: install a network plugin that enforces \
                       NetworkPolicies, remove the namespace's NetworkPolicy that allows it, or set spec.isolation to None"
                .into(),
            began: Some(since),
            recheck_at: Some(self.now + LOOKED_FOR),
        })
    }

    /// Adds to an agent that awaits its admission why it does.
    pub(super) fn awaiting(&self, pod: &Pod, shown: Shown) -> Shown {
        let shown = Shown { recheck_at: Some(self.now + LOOKED_FOR), ..shown };
        let pulse = self.snapshot.pulses.get(&pod.uid).copied().unwrap_or_default();
        let confined = pod.level >= Some(Isolation::Level1);
        let why = match (pulse.asked, self.snapshot.obstacle) {
            (Asked::Taken, Some(Obstacle::Blind)) if confined => {
                "whether its network is closed can't be found out: another replica of the operator does not reach the leader's \
                 port 8444 either; look at NetworkPolicies in the operator's namespace"
            }
            (Asked::Taken, _) if confined && pulse.network == Network::Unknown => {
                "it does not say whether its network is closed: is its image of the operator's version?"
            }
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
            (Asked::Never, None | Some(Obstacle::Blind)) if TimeDelta::seconds(pulse.age.into()) >= ADMITTED_WITHIN => {
                "nothing has reached the gateway with a good token of its pod: look at NetworkPolicies, the address in ConfigMap \
                 lazarus-gateway, and the sidecar's log"
            }
            // This replica leads since a moment ago; what the one before found out still holds.
            (Asked::Never, None | Some(Obstacle::Blind)) => return self.as_told(pod, shown),
        };
        Shown { evidence: format!("its sidecar runs, but {why}"), ..shown }
    }

    fn was_told(&self, reason: Reason, pod: &Pod) -> bool {
        self.old.reason == Some(reason) && self.old.pod_uid.as_ref() == Some(&pod.uid)
    }

    fn as_told(&self, pod: &Pod, shown: Shown) -> Shown {
        match self.old.verdict.as_ref().filter(|_| self.was_told(Reason::AwaitingAdmission, pod)) {
            Some(verdict) => Shown { evidence: verdict.evidence.clone(), ..shown },
            None => shown,
        }
    }
}
