//! The result of looking at one agent.

use chrono::{DateTime, Utc};

use super::Action;
use crate::api::conditions::Reason;
use crate::api::{AgentState, AgentStatus, Incident, NextAction, Verdict};
use crate::observe::Scope;
use crate::runtime::time::to_time;

/// What was found about one agent, and what follows.
#[derive(Default)]
pub(in crate::decide) struct Assessment {
    /// Its new record; `None`: there is to be none.
    pub status: Option<AgentStatus>,
    /// What to do.
    pub actions: Vec<Action>,
    /// The record must be written before anything is done.
    pub evidence: bool,
    /// The record is to be written at once, not together with later progress.
    pub urgent: bool,
    /// When the new state began, as far as is known.
    pub began: Option<DateTime<Utc>>,
    /// A death or disruption that is new.
    pub incident: Option<Incident>,
    /// What is planned.
    pub next: Option<NextAction>,
    /// The storms in which this agent is the one that tries.
    pub canaries: Vec<Scope>,
    /// When to look again although nothing has changed.
    pub recheck_at: Option<DateTime<Utc>>,
    /// The stored record.
    pub(super) old: AgentStatus,
    /// The time of the look.
    pub(super) now: DateTime<Utc>,
}

impl Assessment {
    /// Starts from the agent's stored record.
    pub fn of(old: &AgentStatus, now: DateTime<Utc>) -> Self {
        Self { status: Some(old.clone()), old: old.clone(), now, ..Self::default() }
    }

    /// Sets state and reason; what belongs to another state is forgotten.
    pub fn state(mut self, state: AgentState, reason: Option<Reason>) -> Self {
        if let Some(status) = &mut self.status {
            let changed = (status.state, status.reason) != (state, reason);
            (status.state, status.reason, status.message) = (state, reason, None);
            if changed {
                status.since = Some(to_time(self.now));
            }
        }
        self
    }

    /// Says which rule decided and what it saw. Words that differ in numbers only are kept, and all of those about an
    /// image: what the kubelet says changes from try to try, and each change would be a write.
    pub fn because(mut self, rule: &'static str, evidence: &str) -> Self {
        let same = self.is_same(rule);
        if let Some(status) = &mut self.status {
            let kept = self.old.verdict.as_ref().filter(|_| same).map(|verdict| verdict.evidence.clone());
            let varies = |kept: &String| status.reason == Some(Reason::ImagePull) || is_alike(kept, evidence);
            let evidence = kept.filter(varies).unwrap_or_else(|| brief(evidence));
            let recheck_at = self.recheck_at.map(to_time);
            status.verdict = Some(Verdict { rule: rule.into(), evidence, recheck_at });
        }
        self
    }

    /// The evidence says it all: people are told just that.
    pub fn telling(mut self) -> Self {
        if let Some(status) = &mut self.status {
            status.message = status.verdict.as_ref().map(|verdict| verdict.evidence.clone());
        }
        self
    }

    /// Says the state in words, for people.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        let text = brief(&message.into());
        if let Some(status) = &mut self.status {
            status.message = Some(text);
        }
        self
    }

    /// The state began at this time, not now.
    pub fn since(mut self, began: Option<DateTime<Utc>>) -> Self {
        self.began = began.map(|began| began.min(self.now));
        if let (Some(status), Some(began)) = (&mut self.status, began)
            && (status.state, status.reason, &status.pod_uid) != (self.old.state, self.old.reason, &self.old.pod_uid)
        {
            status.since = Some(to_time(began.min(self.now)));
        }
        self
    }

    pub fn recheck(mut self, at: DateTime<Utc>) -> Self {
        self.recheck_at = Some(self.recheck_at.map_or(at, |earlier| earlier.min(at)));
        self
    }

    pub fn next(mut self, what: &'static str, at: Option<DateTime<Utc>>, because: impl Into<String>) -> Self {
        let agent = self.old.name.clone();
        self.next = Some(NextAction { what: what.into(), agent, at: at.map(to_time), because: because.into() });
        self
    }

    pub fn act(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }

    pub fn urgent(mut self) -> Self {
        self.urgent = true;
        self
    }

    fn is_same(&self, rule: &str) -> bool {
        let old = &self.old;
        self.status.as_ref().is_some_and(|new| {
            (new.state, new.reason, &new.pod_uid) == (old.state, old.reason, &old.pod_uid)
                && old.verdict.as_ref().is_some_and(|verdict| verdict.rule == rule)
        })
    }
}

/// Whether two texts differ in numbers only.
fn is_alike(kept: &str, found: &str) -> bool {
    let words = |text: &str| brief(text).chars().filter(|character| !character.is_ascii_digit()).collect::<String>();
    words(kept) == words(found)
}

/// One line of at most 200 characters.
pub(in crate::decide) fn brief(text: &str) -> String {
    let line: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    if line.chars().count() <= 200 { line } else { line.chars().take(199).chain(['…']).collect() }
}
