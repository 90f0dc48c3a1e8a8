//! What the reports about an agent say: small rules over one [`Pulse`].
//!
//! Silence on the network is not death. Only a fresh report of a sidecar that sees its agent silent is evidence.

use super::policy;
use crate::api::beat::Seen;
use crate::api::{AgentSpec, EffectiveHeartbeat, EffectivePolicy, Isolation};
use crate::observe::{Container, Pod, Pulse, Snapshot};

/// What the reports about an agent say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// This replica has not heard of it yet: what was known before still holds.
    Unknown,
    /// Nothing speaks against it.
    Well,
    /// No report for as long as makes an agent stale: nothing is known.
    LinkLost,
    /// Silent, but it said that it would be busy.
    Busy,
    /// Silent.
    Stale,
    /// Silent for too long.
    Hung,
    /// Never seen well since it started.
    NeverBeat,
    /// It answers, but gets nowhere.
    Stalled,
}

impl Judgement {
    /// Whether reports speak against the agent.
    #[must_use]
    pub fn is_trouble(self) -> bool {
        match self {
            Self::Stale | Self::Hung | Self::NeverBeat | Self::Stalled => true,
            Self::Unknown | Self::Well | Self::LinkLost | Self::Busy => false,
        }
    }
}

/// Judges an agent by its reports.
#[must_use]
pub fn judge(pulse: &Pulse, terms: &Terms) -> Judgement {
    let Terms { heartbeat, sidecar_restarted } = terms;
    let at_least = |seconds: u32, limit: i64| i64::from(seconds) >= limit;
    // Whatever the last report said, it is too old to act on.
    if at_least(pulse.age, heartbeat.stale_after_seconds) {
        return Judgement::LinkLost;
    }
    if !pulse.reported {
        return Judgement::Unknown;
    }
    // A sidecar that was started beside a running agent, and a leader that is new, were not there when the agent said that
    // it would be busy, or when it was well: until the agent is heard again, it is taken for busy.
    let perhaps_busy = pulse.busy.map_or(*sidecar_restarted && !pulse.heard, |busy| busy > 0);
    let spared = |seconds: u32| perhaps_busy && !at_least(seconds, heartbeat.max_busy_seconds);
    match pulse.seen {
        Seen::Unobserved => Judgement::Well,
        Seen::Healthy => {
            let stalls = heartbeat.stalled_after_seconds > 0;
            match pulse.unchanged.filter(|unchanged| stalls && at_least(*unchanged, heartbeat.stalled_after_seconds)) {
                None => Judgement::Well,
                Some(unchanged) if spared(unchanged) => Judgement::Busy,
                Some(_) => Judgement::Stalled,
            }
        }
        Seen::Silent if !pulse.ever_healthy => {
            // Both spans: the sidecar also waits while the agent's image is pulled, and this replica may be new.
            let waited = pulse.running.min(pulse.silent);
            match () {
                () if !at_least(waited, heartbeat.startup_grace_seconds) => Judgement::Well,
                () if spared(waited) => Judgement::Busy,
                () => Judgement::NeverBeat,
            }
        }
        Seen::Silent => match () {
            () if !at_least(pulse.silent, heartbeat.stale_after_seconds) => Judgement::Well,
            () if spared(pulse.silent) => Judgement::Busy,
            () if at_least(pulse.silent, heartbeat.dead_after_seconds) => Judgement::Hung,
            () => Judgement::Stale,
        },
    }
}

/// How one incarnation is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The policy's limits, with the agent's own.
    pub heartbeat: EffectiveHeartbeat,
    /// Whether the sidecar was started beside the running agent, so that it has not heard all that the agent said.
    pub sidecar_restarted: bool,
}

impl Terms {
    /// The terms of an agent in this pod.
    #[must_use]
    pub(super) fn of(policy: &EffectivePolicy, spec: &AgentSpec, pod: &Pod) -> Self {
        let began = pod.sidecar.as_ref().and_then(|sidecar| sidecar.running);
        let sidecar_restarted = match (&pod.container, began) {
            // The first sidecar was there before the agent.
            (Container::Running(Some(agent)), Some(sidecar)) => sidecar > *agent,
            (Container::Running(_) | Container::Unknown | Container::Waiting(..) | Container::Ended { .. }, _) => false,
        };
        Self { heartbeat: policy::heartbeat(policy, spec), sidecar_restarted }
    }
}

/// An incarnation that is to report, and how it is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// UID of its pod.
    pub uid: String,
    /// How it is judged.
    pub terms: Terms,
    /// Whether the agent's container runs.
    pub running: bool,
    /// Agents whose parts it has taken over.
    pub holds: Vec<String>,
    /// Whether it runs elsewhere, so that no sidecar and no kubelet speaks for it.
    pub elsewhere: bool,
    /// Whether its network is to be closed before its agent may start.
    pub closed: bool,
}

/// How long a death in the mission's neighbourhood counts, in seconds.
#[must_use]
pub fn cooldown_seconds(snapshot: &Snapshot) -> i64 {
    policy::effective(snapshot).map_or(0, |policy| policy.storm.cooldown_seconds)
}

/// The incarnations of a mission that may report and whose agents may start: those that are committed and have not ended.
#[must_use]
pub fn expected(snapshot: &Snapshot) -> Vec<Expected> {
    let cell = &snapshot.cell;
    if cell.deleting {
        return Vec::new();
    }
    // An agent that runs goes on reporting while its policy is missing.
    let policy = policy::effective(snapshot).unwrap_or_else(|| policy::built_in(snapshot));
    let one = |spec: &AgentSpec| {
        let status = cell.status.agents.iter().find(|status| status.name == spec.name)?;
        let ended = status.last_end.as_ref().is_some_and(|end| Some(&end.pod_uid) == status.pod_uid.as_ref());
        if let Some(uid) = status.pod_uid.clone().filter(|_| status.is_elsewhere()) {
            let terms = Terms { heartbeat: policy::heartbeat(&policy, spec), sidecar_restarted: false };
            let holds = status.holds.clone();
            let expected = Expected { uid, terms, running: true, holds, elsewhere: true, closed: false };
            return Some(expected).filter(|_| !ended);
        }
        let pod = snapshot.pods.iter().find(|pod| Some(&pod.uid) == status.pod_uid.as_ref())?;
        let may_run = !ended && pod.may_run() && pod.deletion_requested.is_none() && pod.owner.as_deref() == Some(&cell.uid);
        let running = matches!(pod.container, Container::Running(_));
        (may_run && pod.sidecar.is_some()).then(|| Expected {
            uid: pod.uid.clone(),
            terms: Terms::of(&policy, spec, pod),
            running,
            holds: status.holds.clone(),
            elsewhere: false,
            // Pods of an operator that knew no levels have none: nothing closes their network.
            closed: pod.level >= Some(Isolation::Level1),
        })
    };
    cell.spec.agents.iter().filter_map(one).collect()
}
