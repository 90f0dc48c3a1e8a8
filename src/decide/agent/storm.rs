//! The brakes: when many agents die at once, and when enough of one mission are on their way back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use super::Look;
use crate::api::conditions::Reason;
use crate::api::{AgentState, AgentStatus, Outcome};
use crate::observe::{Neighbour, Scope, Snapshot, Unrest, scopes};
use crate::runtime::time::from_time;

/// An agent that is longer than this on its way back does not hold up the others any more.
const ON_ITS_WAY: TimeDelta = TimeDelta::seconds(300);

/// What the agents of one mission share in one decision.
#[derive(Default)]
pub(in crate::decide) struct Brakes {
    /// Agents on their way back, with those that set off in this decision.
    in_flight: Cell<i64>,
    /// One agent tries already, to see whether the storm is over.
    tried: Cell<bool>,
    /// Standbys that take over a part in this decision.
    called: Rc<RefCell<BTreeSet<String>>>,
}

impl Brakes {
    pub(super) fn of(snapshot: &Snapshot, now: DateTime<Utc>) -> Self {
        Self { in_flight: Cell::new(in_flight(snapshot, now)), ..Self::default() }
    }

    /// For a look ahead, in which nobody sets off; but who takes over a part does.
    pub(super) fn ahead(&self) -> Self {
        Self { called: Rc::clone(&self.called), ..Self::default() }
    }

    /// An agent takes over a part.
    pub(super) fn call(&self, name: &str) {
        self.called.borrow_mut().insert(name.to_owned());
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.called.borrow().contains(name)
    }
}

/// A storm, and when the next agent may try.
pub(super) struct Storm {
    pub because: String,
    pub until: DateTime<Utc>,
    /// Where it storms: an agent that tries does so for all of these.
    pub scopes: Vec<Scope>,
}

impl Look<'_> {
    /// The storm that this agent is part of, if there is one.
    pub(super) fn storm(&self, by_verdict: bool) -> Option<Storm> {
        let policy = self.policy?;
        let limits = &policy.storm;
        let cell = &self.snapshot.cell;
        let own = Neighbour { namespace: &cell.namespace, spec: &cell.spec, status: &cell.status };
        let shared = scopes(&own, self.old);
        let counts = |unrest: &&Unrest| {
            let Unrest { scope, agents, unhealthy, last_death: _ } = unrest;
            let fleet = *scope == Scope::Fleet;
            let many = *unhealthy >= limits.min_agents && unhealthy * 100 >= agents * limits.max_unhealthy_percent;
            shared.contains(scope) && (by_verdict || !fleet) && many
        };
        let storms: Vec<_> = self.snapshot.unrest.iter().filter(counts).collect();
        let Unrest { scope, agents, unhealthy, last_death: _ } = storms.first()?;
        let cooldown = TimeDelta::seconds(limits.cooldown_seconds);
        let last = storms.iter().filter_map(|storm| storm.last_death).max();
        Some(Storm {
            because: format!(
                "{unhealthy} of {agents} agents of {scope} are in trouble at once; none is restarted until it calms down"
            ),
            until: last.map_or(self.now, |last| last + cooldown),
            scopes: storms.iter().map(|storm| storm.scope.clone()).collect(),
        })
    }

    /// The storm that holds this agent now: one agent of the mission may try when nobody has for a while.
    pub(super) fn held_by_storm(&self) -> Result<Vec<Scope>, Storm> {
        let Some(storm) = self.storm(true) else { return Ok(Vec::new()) };
        if self.now < storm.until {
            return Err(storm);
        }
        if self.brakes.tried.replace(true) {
            let cooldown = self.policy.map_or(0, |policy| policy.storm.cooldown_seconds);
            return Err(Storm { until: self.now + TimeDelta::seconds(cooldown), ..storm });
        }
        Ok(storm.scopes)
    }

    /// Whether so many others of the mission are on their way back that this one has to wait.
    pub(super) fn must_wait(&self) -> bool {
        let Some(policy) = self.policy else { return false };
        if is_on_its_way(self.snapshot, self.old, self.now) {
            return false;
        }
        let full = self.brakes.in_flight.get() >= policy.storm.max_in_flight;
        if !full {
            self.brakes.in_flight.set(self.brakes.in_flight.get() + 1);
        }
        full
    }
}

/// The agents of the mission that are on their way back.
fn in_flight(snapshot: &Snapshot, now: DateTime<Utc>) -> i64 {
    let agents = snapshot.cell.status.agents.iter();
    i64::try_from(agents.filter(|agent| is_on_its_way(snapshot, agent, now)).count()).unwrap_or(i64::MAX)
}

fn is_on_its_way(snapshot: &Snapshot, agent: &AgentStatus, now: DateTime<Utc>) -> bool {
    let Some(end) = agent.last_end.as_ref().filter(|end| matches!(end.outcome, Outcome::Died | Outcome::Disrupted)) else {
        return false;
    };
    // Nothing happens to it until a person acts.
    let stays = [
        Reason::RevivalSuppressed,
        Reason::AttemptsExhausted,
        Reason::AwaitingApproval,
        Reason::Denied,
        Reason::Substituting,
        Reason::Substituted,
    ];
    if agent.reason.is_some_and(|reason| stays.contains(&reason)) {
        return false;
    }
    let recent = |since: DateTime<Utc>| now < since + ON_ITS_WAY;
    if Some(&end.pod_uid) == agent.pod_uid.as_ref() {
        let pod = snapshot.pods.iter().find(|pod| pod.uid == end.pod_uid);
        let gone = pod.is_none_or(|pod| pod.deletion_requested.is_some());
        return gone && !snapshot.refusals.contains_key(&agent.name) && agent.since.as_ref().map(from_time).is_none_or(recent);
    }
    let under_way = matches!(agent.state, AgentState::Pending | AgentState::Starting);
    under_way && agent.reason.is_none() && agent.since.as_ref().map(from_time).is_none_or(recent)
}
