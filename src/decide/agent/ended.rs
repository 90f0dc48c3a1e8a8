//! What follows the end of an incarnation.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Assessment, Look, Why, live, pods};
use crate::api::conditions::Reason;
use crate::api::{
    AgentState, Completion, DecisionVerdict, Disruption, EffectivePolicy, Incident, IncidentOutcome, LastEnd, OnExhausted,
    OnTimeout, Outcome, Revive, Ruling,
};
use crate::decide::mission::Phase;
use crate::decide::request::{TIMEOUT, is_to_return};
use crate::decide::{Action, backoff, end, isolation, policy, workspace};
use crate::observe::{Account, Pod, PolicySource};
use crate::runtime::time::from_time;

/// What keeps a pod from being isolated is looked for this often.
pub(super) const LOOKED_FOR: TimeDelta = TimeDelta::seconds(30);

/// What people and the policy say about an end.
enum Sentence {
    /// It comes back, not before this time.
    Restart(DateTime<Utc>),
    /// Another agent takes over its part; `None`: none is there that could.
    Substitute(Option<String>),
    Ask,
    Denied,
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
        // That it was to be left alone while it could not be reached says nothing of a death.
        let spared = |ruling: &Ruling| ruling.verdict == DecisionVerdict::Deny && old.reason != Some(Reason::Denied);
        old.ruling = old.ruling.clone().filter(|ruling| ruling.pod_uid != record.pod_uid || !spared(ruling));
        old.last_end = Some(record.clone());
        // What follows is only foreseen here: nobody is on the way yet.
        let ahead = self.brakes.ahead();
        let look = self.with(&old, &ahead);
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
                None | Some(Sentence::Restart(_) | Sentence::Substitute(_) | Sentence::Ask) => IncidentOutcome::Open,
                Some(Sentence::Denied) => IncidentOutcome::Denied,
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
        if let Some(holder) = self.holder() {
            return self.given(holder, &evidence);
        }
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
            Outcome::Replaced => self.succeed(pod, at, Reason::Replacing, "Replace", live::replaced_for(end)),
            Outcome::Disrupted if let Some(assessment) = self.disrupted(end, pod, &evidence) => assessment,
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
            Sentence::Ask => self.ask(evidence),
            Sentence::Denied => self.denied(evidence),
            Sentence::Substitute(to) => self.substitute_with(to, evidence),
            Sentence::Suppressed => self
                .state(AgentState::Dead, Some(Reason::RevivalSuppressed))
                .because("Ended", evidence)
                .message(format!("died ({evidence}) and stays dead: revive is Never"))
                .urgent(),
            Sentence::GivenUp => self
                .state(AgentState::Dead, Some(Reason::AttemptsExhausted))
                .because("Ended", evidence)
                .message(match self.spec.external {
                    Some(_) => format!("died ({evidence}) and stays dead: it runs elsewhere, and onExhausted is Abandon"),
                    None => format!(
                        "died ({evidence}), death {deaths} in a row; restart.maxAttempts is {}; a change of its spec starts it anew",
                        restart.max_attempts
                    ),
                })
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

    /// The table of what is done about a death: what people decided comes before what the policy says.
    fn sentence(&self, end: &LastEnd, policy: &EffectivePolicy) -> Sentence {
        if let Some(sentence) = self.sentence_by_people(end) {
            return sentence;
        }
        let changed = end.template.as_ref().is_some_and(|template| *template != self.template);
        let at = from_time(&end.at);
        match policy::revive(policy, self.spec) {
            Revive::Never => Sentence::Suppressed,
            Revive::Ask => Sentence::Ask,
            // Whoever is asked answers; a change of the spec is no answer.
            Revive::Always if self.was_asked(&end.pod_uid) => Sentence::Ask,
            // What died was another program: its successor starts at once, with all attempts.
            Revive::Always if changed => Sentence::Restart(at),
            // Nobody here can start again what runs elsewhere.
            Revive::Always if self.spec.external.is_none() && self.old.deaths <= policy.restart.max_attempts => {
                let wait = backoff::wait(&policy.restart, self.old.deaths, &end.pod_uid);
                Sentence::Restart(self.sane(at + wait, wait))
            }
            Revive::Always => match policy.on_exhausted {
                OnExhausted::Ask => Sentence::Ask,
                OnExhausted::Abandon => Sentence::GivenUp,
                OnExhausted::Substitute => self.substitute().map_or(Sentence::Ask, |to| Sentence::Substitute(Some(to))),
            },
        }
    }

    fn sentence_by_people(&self, end: &LastEnd) -> Option<Sentence> {
        let ruling = self.ruling().filter(|ruling| ruling.pod_uid == end.pod_uid)?;
        Some(match (ruling.verdict, ruling.option.as_deref()) {
            (DecisionVerdict::Deny, _) => Sentence::Denied,
            (DecisionVerdict::Approve, Some("Revive") | None) => Sentence::Restart(from_time(&end.at)),
            (DecisionVerdict::Approve, Some(_)) => match self.substitute_by(ruling) {
                // Nobody decided, so nobody can choose another way.
                None if ruling.by == TIMEOUT => Sentence::Restart(from_time(&end.at)),
                to => Sentence::Substitute(to),
            },
        })
    }

    /// What is done about a disruption other than to make the agent anew.
    fn disrupted(&self, end: &LastEnd, pod: Option<&Pod>, evidence: &str) -> Option<Assessment> {
        let policy = self.policy.filter(|_| self.mission == Phase::Active || self.completion() == Completion::Required)?;
        let at = from_time(&end.at);
        let lost = matches!(end.cause.as_str(), end::NODE_LOST | "DeletionByPodGC");
        let substitutes = policy::revive(policy, self.spec) == Revive::Always && policy.on_exhausted == OnExhausted::Substitute;
        let sentence = match self.sentence_by_people(end) {
            Some(sentence) => sentence,
            None if policy.disruption == Disruption::Ask || self.was_asked(&end.pod_uid) => Sentence::Ask,
            // The node took the agent's place along; whoever is elsewhere already goes on at once.
            None if lost && substitutes => Sentence::Substitute(Some(self.substitute()?)),
            None => return None,
        };
        Some(match sentence {
            Sentence::Restart(_) => self.succeed(pod, at, Reason::Recreating, "Recreate", evidence),
            Sentence::Substitute(to) => self.substitute_with(to, evidence),
            Sentence::Ask => self.ask(evidence),
            Sentence::Denied => self.denied(evidence),
            Sentence::GivenUp | Sentence::Suppressed => return None,
        })
    }

    /// Whoever has the agent's part; one that was removed from the mission has not.
    fn holder(&self) -> Option<&str> {
        let holder = self.old.holder.as_ref().filter(|_| !is_to_return(self.old))?;
        let cell = &self.snapshot.cell;
        let exists = cell.spec.agents.iter().any(|spec| spec.name == *holder)
            || cell.status.agents.iter().any(|status| status.name == *holder);
        exists.then_some(holder.as_str())
    }

    fn substitute_with(&self, to: Option<String>, evidence: &str) -> Assessment {
        if let Some(to) = to {
            return self.give_part(&to, evidence);
        }
        let because = format!("{evidence}; the approved substitute is not there: it takes over when it is alive");
        self.state(AgentState::Waiting, Some(Reason::Substituting)).because("Substitute", &because).telling().urgent()
    }

    fn ask(&self, evidence: &str) -> Assessment {
        let asked = self
            .state(AgentState::Waiting, Some(Reason::AwaitingApproval))
            .because("Ended", evidence)
            .message(format!("died ({evidence}) and waits for a person's decision"))
            .urgent();
        self.with_timeout(asked)
    }

    /// Adds what follows when nobody decides in time.
    pub(super) fn with_timeout(&self, asked: Assessment) -> Assessment {
        let Some((at, on_timeout)) = self.times_out() else { return asked };
        let asked = asked.recheck(at);
        match on_timeout {
            OnTimeout::Wait | OnTimeout::Deny => asked,
            OnTimeout::Revive => asked.next("Restart", Some(at), "unless a person decides before"),
            OnTimeout::Substitute => asked.next("Substitute", Some(at), "unless a person decides before"),
        }
    }

    fn denied(&self, evidence: &str) -> Assessment {
        let by = self.ruling().map_or("a person", |ruling| ruling.by.as_str());
        self.state(AgentState::Dead, Some(Reason::Denied))
            .because("Ended", evidence)
            .message(format!("died ({evidence}) and stays dead: denied by {by}"))
            .urgent()
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
        if let Some(hold) = self.awaits_its_part() {
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
        // Whoever approved it has seen that it storms.
        let spared = by_verdict || self.ruling().is_some();
        if let Some(storm) = self.storm(false).filter(|storm| !spared && self.now < storm.until) {
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
        match (self.pods.candidate, self.spec.external) {
            (Some(candidate), None) => return self.commit(candidate),
            (Some(candidate), Some(_)) => {
                // Made before the agent moved away. It was never committed, so it goes as every stray.
                let evidence = format!("pod {} of this agent has to end first", candidate.name);
                return self.state(AgentState::Waiting, Some(Reason::Terminating)).because("AtMostOne", &evidence).urgent();
            }
            (None, _) => {}
        }
        if let Some(hold) = self.unfit(what) {
            return hold;
        }
        let status = self.state(state, reason).next(what, None, evidence);
        let (agent, attempt) = (self.spec.name.clone(), self.old.attempt + 1);
        let create = match (self.spec.external, self.snapshot.account) {
            (None, _) => Action::Create { agent, attempt, level: isolation::level(self.snapshot) },
            (Some(_), Some(Account::Missing)) => Action::Account { agent },
            (Some(_), Some(Account::Ending)) => return self.awaits_account(),
            (Some(_), Some(Account::Present) | None) => return self.commit(&self.elsewhere(attempt)),
        };
        let refusal = self.snapshot.refusals.get(&self.spec.name);
        if let Some(refusal) = refusal.filter(|refusal| refusal.generation == self.snapshot.cell.generation) {
            let held = self.state(AgentState::Waiting, Some(Reason::PodRefused));
            let held = held.next(what, None, "the API server refused what the agent needs");
            let held = held.because("Hold", &format!("the API server says: {}", refusal.message)).telling().urgent();
            // When it is tried again is no part of the record: each refusal would be a write.
            return if self.now < refusal.until { held.recheck(refusal.until) } else { held.act([create]) };
        }
        status.because(what, evidence).act([create])
    }

    /// What keeps a pod from being made as its level asks for: none is made with less.
    fn unfit(&self, what: &'static str) -> Option<Assessment> {
        if self.spec.external.is_some() {
            return None;
        }
        let hold = |reason, evidence: &str| {
            let held = self.state(AgentState::Waiting, Some(reason)).next(what, None, evidence).because("Isolation", evidence);
            // Nothing wakes a mission for most of these.
            held.telling().urgent().recheck(self.now + LOOKED_FOR)
        };
        if let Some((reason, why, until)) = workspace::obstacle(self.snapshot, self.now) {
            return Some(hold(reason, &why).recheck(until.unwrap_or(self.now + LOOKED_FOR)));
        }
        let (reason, why) = isolation::obstacle(self.snapshot, self.spec)?;
        Some(hold(reason, &why))
    }

    // At most one incarnation: whatever carries the agent's labels and may still run comes first.
    pub(super) fn others_hold(&self) -> Option<Assessment> {
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
