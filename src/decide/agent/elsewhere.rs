//! An agent that runs elsewhere: its reports are all that is known of it.
//!
//! There is no sidecar that would report a silent agent, so silence itself has to count. It does only while others are heard
//! through the same gateway without a gap: else it is the gateway that may be silent.

use chrono::TimeDelta;

use super::verdict::{Verdict, known};
use super::{Assessment, Look};
use crate::api::conditions::Reason;
use crate::api::{AgentState, EffectiveHeartbeat, EffectivePolicy, external};
use crate::decide::heartbeat::{Judgement, Terms, judge};
use crate::decide::phase::Shown;
use crate::observe::{Asked, Container, Pod, Pulse};
use crate::runtime::time::from_time;

/// Nothing wakes a mission when others are heard again: it is looked for this often.
const LOOKED_FOR: TimeDelta = TimeDelta::seconds(15);

/// Seconds until all agents that fell silent together are known to be stale.
const NOTICED: i64 = 5;

/// How long an agent elsewhere may be silent: at least until it has missed two of the reports that it was last told to send,
/// and then as long again, in which it can come back after a gap that the witness did not notice.
fn patience(heartbeat: EffectiveHeartbeat, pulse: &Pulse) -> EffectiveHeartbeat {
    let stale_after_seconds = heartbeat.stale_after_seconds.max(2 * i64::from(pulse.told));
    let dead_after_seconds = heartbeat.dead_after_seconds.max(2 * stale_after_seconds);
    EffectiveHeartbeat { stale_after_seconds, dead_after_seconds, ..heartbeat }
}

/// That nothing was heard, with what it was refused for.
fn unheard(pulse: &Pulse) -> String {
    let refused = match pulse.asked {
        Asked::OtherIssuer => " (its token is refused: it is of another issuer)",
        Asked::OtherAudience => " (its token is refused: it is for another audience)",
        Asked::NotNow => " (its token is refused: it has expired or is not valid yet)",
        Asked::NotUnderstood => " (its reports are refused: they are not understood)",
        Asked::Never | Asked::Taken | Asked::Slow => "",
    };
    format!("is not heard of for {} s{refused}", pulse.age)
}

/// An incarnation that has not reported yet.
pub(super) fn awaiting() -> Shown {
    let evidence = "has not reported yet as this incarnation: kubectl lazarus token makes the token that it reports with";
    known(AgentState::Waiting, Reason::AwaitingReport, "AwaitingReport", evidence.into())
}

impl Look<'_> {
    /// What stands for the pod of incarnation number `attempt`.
    pub(super) fn elsewhere(&self, attempt: i64) -> Pod {
        let cell = &self.snapshot.cell;
        let audience = external::audience(&cell.uid, &self.spec.name, attempt);
        let uid = external::uid(&cell.namespace, &external::account(&cell.name), &audience);
        let known = self.old.started_at.as_ref().filter(|_| self.old.pod_uid.as_ref() == Some(&uid)).map(from_time);
        let reports = self.snapshot.pulses.get(&uid).is_some_and(|pulse| pulse.reported);
        Pod {
            name: "elsewhere".into(),
            container: Container::Running(known.or(reports.then_some(self.now))),
            uid,
            agent: self.spec.name.clone(),
            attempt,
            owner: Some(cell.uid.clone()),
            template: Some(
                self.old.template.clone().filter(|_| self.old.is_elsewhere()).unwrap_or_else(|| self.template.clone()),
            ),
            ..Pod::default()
        }
    }

    /// What the reports of an agent elsewhere say, and what it means that there are none.
    pub(super) fn verdict_elsewhere(&self, pod: &Pod) -> Verdict {
        let pulse = self.snapshot.pulses.get(&pod.uid).copied().unwrap_or_default();
        if self.old.started_at.is_none() && !pulse.reported {
            return Verdict::Shown(awaiting());
        }
        let began = self.old.started_at.as_ref().map(from_time);
        let evidence = "reports from elsewhere".into();
        let alive = Shown { state: AgentState::Alive, reason: None, rule: "Alive", evidence, began, recheck_at: None };
        let Some(policy) = self.policy else { return Verdict::Shown(self.as_before(pod, alive)) };
        let heartbeat = patience(crate::decide::policy::heartbeat(policy, self.spec), &pulse);
        // What was found stays true until it is heard of again, whatever numbers the policy has by now.
        if self.old.state == AgentState::Dead && !self.is_heard_since(&pulse) {
            return self.dead(policy, pod, Reason::Silent, &format!("{}, while others were", unheard(&pulse)));
        }
        match judge(&pulse, &Terms { heartbeat, sidecar_restarted: false }) {
            Judgement::LinkLost => self.silent(policy, pod, &pulse, &heartbeat),
            judgement => self.judged(judgement, policy, pod, alive, &pulse),
        }
    }

    /// Whether a report came since the agent is in its state.
    fn is_heard_since(&self, pulse: &Pulse) -> bool {
        let last = self.now - TimeDelta::seconds(pulse.age.into());
        let since = self.old.since.as_ref().map(from_time);
        // A beginning in the future was told by a clock that was wrong.
        pulse.reported && since.is_none_or(|since| since < last || since > self.now)
    }

    fn silent(&self, policy: &EffectivePolicy, pod: &Pod, pulse: &Pulse, heartbeat: &EffectiveHeartbeat) -> Verdict {
        let (age, witnessed) = (i64::from(pulse.age), i64::from(pulse.witnessed));
        let (stale, dead) = (heartbeat.stale_after_seconds, heartbeat.dead_after_seconds);
        let recheck = |shown: Shown, after: i64| {
            let at = self.now + TimeDelta::seconds(after.max(1)).min(LOOKED_FOR);
            Verdict::Shown(Shown { recheck_at: Some(at), ..shown })
        };
        let evidence = unheard(pulse);
        // A new leader does not know what the agent said before.
        let perhaps_busy = pulse.busy.map_or(!pulse.reported && self.old.state == AgentState::Alive, |busy| busy > 0);
        if perhaps_busy && age < heartbeat.max_busy_seconds {
            let evidence = format!("{evidence}, and may be busy as it said");
            return recheck(known(AgentState::Alive, Reason::Busy, "Busy", evidence), heartbeat.max_busy_seconds - age);
        }
        // Half of it, as the witness's own next report may not be due yet.
        if witnessed * 2 < stale {
            let evidence = format!("{evidence}, but nobody else was heard of without a gap meanwhile");
            let degraded = known(AgentState::Alive, Reason::GatewayDegraded, "GatewayDegraded", evidence);
            return recheck(self.as_before(pod, degraded), stale);
        }
        // Who was cut off together with everybody else has as long to come back as the others needed to be missed.
        let left = (dead - age).max(dead - stale - witnessed);
        let since = self.old.since.as_ref().map_or(self.now, from_time);
        let long = (self.now - since).num_seconds().abs() >= NOTICED;
        let noticed = self.old.state == AgentState::Stale && (long || self.old.reason == Some(Reason::StormHold));
        if left <= 0 && noticed {
            return self.dead(policy, pod, Reason::Silent, &format!("{evidence}, while others were"));
        }
        // Also where it is overdue: only who is known to be stale is seen by the brakes of the others.
        let evidence = format!("{evidence}, while others are; dead after {dead} s");
        recheck(known(AgentState::Stale, Reason::Stale, "Stale", evidence), left.max(NOTICED))
    }

    /// The account of an earlier mission of this name has to go first.
    pub(super) fn awaits_account(&self) -> Assessment {
        let account = external::account(&self.snapshot.cell.name);
        let evidence = format!("ServiceAccount {account} belongs to an earlier mission and has to go first");
        let hold = self.state(AgentState::Waiting, Some(Reason::Terminating)).because("Account", &evidence).telling();
        hold.recheck(self.now + LOOKED_FOR).urgent()
    }
}
