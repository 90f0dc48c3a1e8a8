//! What follows the end of an incarnation.

use chrono::{DateTime, TimeDelta, Utc};

use super::storm::Brakes;
use super::{Assessment, Look, Why, live, pods};
use crate::api::conditions::Reason;
use crate::api::{AgentState, Completion, EffectivePolicy, Incident, IncidentOutcome, LastEnd, Outcome, Revive};
use crate::decide::mission::Phase;
use crate::decide::{Action, backoff, policy};
use crate::observe::{Pod, PolicySource};
use crate::runtime::time::from_time;

/// What the policy says about a death.
enum Sentence {
    Restart(DateTime<Utc>),
    GivenUp,
    Suppressed,
}

impl<'a> Look<'a> {
    /// Writes down how an incarnation ended, before its pod is touched.
    pub(super) fn record_end(&self, mut record: LastEnd, log: &str, pod: &str) -> Assessment {
        // A vanished pod can't say what it was made from.
        record.template = record.template.or_else(|| self.old.template.clone());
        let mut old = self.old.clone();
        let ran = record.started_at.as_ref().map_or(TimeDelta::zero(), |started| from_time(&record.at) - from_time(started));
        if ran >= self.reset_after() {
            old.deaths = 0;
        }
        let short = self.policy.is_none_or(|policy| ran < TimeDelta::seconds(policy.restart.max_backoff_seconds));
        match record.outcome {
            Outcome::Died => (old.deaths, old.disruptions) = (old.deaths + 1, 0),
            Outcome::Disrupted => old.disruptions = if short { old.disruptions + 1 } else { 1 },
            Outcome::Completed | Outcome::Replaced | Outcome::Stopped => old.disruptions = 0,
        }
        old.trial &= ran < live::PROVEN_AFTER;
        old.last_end = Some(record.clone());
        let (pods, template) = (pods::Pods::of(self.snapshot, &old), self.template.clone());
        // What follows is only foreseen here: nobody is on the way yet.
        let look = Look { old: &old, pods, template, brakes: &Brakes::none(), ..*self };
        let after = look.after(&record, self.pods.committed);
        Assessment { evidence: true, actions: Vec::new(), incident: self.incident(&look, &record, log, pod), ..after }
    }

    pub(super) fn reset_after(&self) -> TimeDelta {
        let default = self.snapshot.defaults.restart.as_ref().and_then(|restart| restart.reset_after_seconds);
        let policy = self.policy.map(|policy| policy.restart.reset_after_seconds);
        TimeDelta::seconds(policy.or(default).unwrap_or(3600))
    }

    fn incident(&self, look: &Look<'_>, end: &LastEnd, log: &str, pod: &str) -> Option<Incident> {
        let outcome = match end.outcome {
            Outcome::Died => match self.policy.map(|policy| look.sentence(end, policy)) {
                None | Some(Sentence::Restart(_)) => IncidentOutcome::Open,
                Some(Sentence::GivenUp) => IncidentOutcome::GivenUp,
                Some(Sentence::Suppressed) => IncidentOutcome::Suppressed,
            },
            Outcome::Disrupted => IncidentOutcome::Open,
            Outcome::Completed | Outcome::Replaced | Outcome::Stopped => return None,
        };
        Some(Incident {
            at: end.at.clone(),
            agent: self.spec.name.clone(),
            pod_name: pod.into(),
            cause: end.cause.clone(),
            exit_code: end.exit_code,
            outcome,
            duration_seconds: None,
            log: Some(log.to_owned()).filter(|log| !log.is_empty()),
        })
    }

    /// The incarnation's end is recorded; its pod may still be there.
    pub(super) fn after(&self, end: &LastEnd, pod: Option<&Pod>) -> Assessment {
        let at = from_time(&end.at);
        let evidence = match end.exit_code {
            Some(code) => format!("{}, exit code {code}", end.cause),
            None => end.cause.clone(),
        };
        match end.outcome {
            Outcome::Completed if self.completion() == Completion::Service => {
                // It was made a service after it had finished.
                self.succeed(pod, at, Reason::Recreating, "Recreate", &evidence)
            }
            Outcome::Completed => self.done(Reason::Completed),
            Outcome::Stopped if self.mission == Phase::Over => {
                self.done(Reason::Stopped).act(pod.map(|pod| pods::delete(pod, Why::Stop)).unwrap_or_default())
            }
            // The mission got new work for it.
            Outcome::Stopped => self.succeed(pod, at, Reason::Recreating, "Recreate", &evidence),
            Outcome::Replaced => self.succeed(pod, at, Reason::Replacing, "Replace", "the agent's spec changed"),
            Outcome::Disrupted => {
                // A node that kills whatever it is given must not make a hot loop of it: the wait counts from the start.
                let wait = |policy: &EffectivePolicy| backoff::wait(&policy.restart, self.old.disruptions, &end.pod_uid);
                let wait = self.policy.map_or(TimeDelta::zero(), wait);
                let due = (end.started_at.as_ref().map_or(at, from_time) + wait).max(at);
                self.succeed(pod, self.sane(due, wait), Reason::Recreating, "Recreate", &evidence)
            }
            Outcome::Died => self.died(end, pod, &evidence),
        }
    }

    fn died(&self, end: &LastEnd, pod: Option<&Pod>, evidence: &str) -> Assessment {
        if self.mission == Phase::Over && self.completion() != Completion::Required {
            return self.done(Reason::Stopped);
        }
        let Some(policy) = self.policy else { return self.policy_missing() };
        let restart = &policy.restart;
        let deaths = self.old.deaths;
        // Taken for dead while its process runs: until its pod goes there is no more to wait for than for a restart.
        let hangs = pod.filter(|pod| pod.may_run()).and_then(|_| end.verdict());
        match self.sentence(end, policy) {
            Sentence::Suppressed => self
                .state(AgentState::Dead, Some(Reason::RevivalSuppressed))
                .because("Ended", evidence)
                .message(format!("died ({evidence}) and stays dead: revive is Never"))
                .urgent(),
            Sentence::GivenUp => self
                .state(AgentState::Dead, Some(Reason::AttemptsExhausted))
                .because("Ended", evidence)
                .message(format!(
                    "died ({evidence}), death {deaths} in a row; restart.maxAttempts is {}; a change of its spec starts it anew",
                    restart.max_attempts
                ))
                .urgent(),
            Sentence::Restart(due) if self.now < due => self
                .state(if hangs.is_some() { AgentState::Dead } else { AgentState::Waiting }, hangs.or(Some(Reason::Backoff)))
                .recheck(due)
                .next("Restart", Some(due), evidence)
                .because("Ended", evidence)
                .message(format!("died ({evidence}); restart {deaths} of {} follows", restart.max_attempts))
                .urgent(),
            Sentence::Restart(due) => self.succeed(pod, due, Reason::Restarting, "Restart", evidence),
        }
    }

    fn sentence(&self, end: &LastEnd, policy: &EffectivePolicy) -> Sentence {
        let changed = end.template.as_ref().is_some_and(|template| *template != self.template);
        let at = from_time(&end.at);
        match policy::revive(policy, self.spec) {
            Revive::Never | Revive::Ask => Sentence::Suppressed,
            // What died was another program: its successor starts at once, with all attempts.
            Revive::Always if changed => Sentence::Restart(at),
            Revive::Always if self.old.deaths > policy.restart.max_attempts => Sentence::GivenUp,
            Revive::Always => {
                let wait = backoff::wait(&policy.restart, self.old.deaths, &end.pod_uid);
                Sentence::Restart(self.sane(at + wait, wait))
            }
        }
    }

    /// The end of a wait. One that is further away than twice the wait was told by a clock that was wrong, an hour ahead
    /// perhaps: nobody must stay dead until the right clock has got there.
    fn sane(&self, due: DateTime<Utc>, wait: TimeDelta) -> DateTime<Utc> {
        if due - self.now > wait * 2 { self.now } else { due }
    }

    /// Brings about the next incarnation, not before `due`: first the old pod goes, then the new one is made.
    fn succeed(&self, pod: Option<&Pod>, due: DateTime<Utc>, reason: Reason, what: &'static str, evidence: &str) -> Assessment {
        if self.mission == Phase::Over && self.completion() != Completion::Required {
            return self.done(Reason::Stopped).act(pod.map(|pod| pods::delete(pod, Why::Stop)).unwrap_or_default());
        }
        if self.policy.is_none() {
            return self.policy_missing();
        }
        if self.now < due {
            let state = self.state(AgentState::Waiting, Some(reason)).recheck(due).next(what, Some(due), evidence);
            return state.because("Ended", evidence);
        }
        if reason == Reason::Restarting
            && let Some(hold) = self.braked(what, evidence)
        {
            return hold;
        }
        match pod {
            Some(pod) => {
                let why = if reason == Reason::Replacing { Why::Replace } else { Why::Succeed };
                let state =
                    self.state(AgentState::Waiting, Some(reason)).since(pod.deletion_requested).next(what, None, evidence);
                state.because("Ended", evidence).act(pods::delete(pod, why))
            }
            None => self.start(AgentState::Waiting, Some(reason), what, evidence),
        }
    }

    fn braked(&self, what: &'static str, evidence: &str) -> Option<Assessment> {
        let hold = |reason| self.state(AgentState::Waiting, Some(reason)).urgent();
        // A verdict was held when it was to be written down; the agent that tries must not be held by its own death.
        let by_verdict = self.old.last_end.as_ref().is_some_and(LastEnd::by_verdict);
        if let Some(storm) = self.storm(false).filter(|storm| !by_verdict && self.now < storm.until) {
            let hold = hold(Reason::StormHold).recheck(storm.until).next(what, Some(storm.until), evidence);
            return Some(hold.because("StormHold", &storm.because).telling());
        }
        let waits = self.must_wait().then(|| hold(Reason::InFlight).next(what, None, evidence))?;
        Some(waits.because("InFlight", "another dead agent of the mission is on its way back; this one is next").telling())
    }

    /// Makes the next incarnation, or makes the one that is there the agent; the previous one is gone.
    pub(super) fn start(&self, state: AgentState, reason: Option<Reason>, what: &'static str, evidence: &str) -> Assessment {
        if self.policy.is_none() {
            return self.policy_missing();
        }
        if let Some(hold) = self.others_hold() {
            return hold;
        }
        if let Some(candidate) = self.pods.candidate {
            return self.commit(candidate);
        }
        let status = self.state(state, reason).next(what, None, evidence);
        let create = Action::Create { agent: self.spec.name.clone(), attempt: self.old.attempt + 1 };
        let refusal = self.snapshot.refusals.get(&self.spec.name);
        if let Some(refusal) = refusal.filter(|refusal| refusal.generation == self.snapshot.cell.generation) {
            let held = self.state(AgentState::Waiting, Some(Reason::PodRefused));
            let held = held.next(what, None, "the API server refused the agent's pod");
            let held = held.because("Hold", &format!("the API server says: {}", refusal.message)).telling().urgent();
            // When it is tried again is no part of the record: each refusal would be a write.
            return if self.now < refusal.until { held.recheck(refusal.until) } else { held.act([create]) };
        }
        status.because(what, evidence).act([create])
    }

    // At most one incarnation: whatever carries the agent's labels and may still run comes first.
    fn others_hold(&self) -> Option<Assessment> {
        let running = |pods: &[&'a Pod]| pods.iter().copied().find(|pod| pod.may_run());
        if let Some(pod) = running(&self.pods.foreign) {
            let hold = self.state(AgentState::Waiting, Some(Reason::PreviousIncarnation));
            let evidence =
                format!("pod {} has this agent's labels, but does not belong to this mission; it must end first", pod.name);
            return Some(hold.because("AtMostOne", &evidence).telling().urgent());
        }
        let pod = running(&self.pods.strays)?;
        let hold = self.state(AgentState::Waiting, Some(Reason::Terminating));
        Some(hold.because("AtMostOne", &format!("pod {} of this agent has to end first", pod.name)).urgent())
    }

    fn policy_missing(&self) -> Assessment {
        let reason = match self.snapshot.policy {
            PolicySource::Invalid(..) => Reason::PolicyInvalid,
            PolicySource::Missing(_) | PolicySource::Found(..) | PolicySource::BuiltIn => Reason::PolicyMissing,
        };
        self.state(AgentState::Waiting, Some(reason))
            .because("Hold", "the mission's AgentPolicy is missing or can't be understood")
            .telling()
            .urgent()
    }

    pub(super) fn done(&self, reason: Reason) -> Assessment {
        let evidence = if reason == Reason::Completed { "exit code 0" } else { "the mission succeeded" };
        let at = self.old.last_end.as_ref().map(|end| from_time(&end.at));
        self.state(AgentState::Done, Some(reason)).since(at).because("Ended", evidence).urgent()
    }

    pub(super) fn state(&self, state: AgentState, reason: Option<Reason>) -> Assessment {
        Assessment::of(self.old, self.now).state(state, reason)
    }
}
