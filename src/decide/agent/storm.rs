//! The brakes: when many agents die at once, and when enough of one mission are on their way back.

use std::cell::Cell;

use chrono::{DateTime, TimeDelta, Utc};

use super::Look;
use crate::api::conditions::Reason;
use crate::api::{AgentState, AgentStatus, Outcome};
use crate::observe::{Neighbour, Scope, Snapshot, Unrest, scopes};
use crate::runtime::time::from_time;

/// An agent that is longer than this on its way back does not hold up the others any more.
const ON_ITS_WAY: TimeDelta = TimeDelta::seconds(300);

/// What the agents of one mission share in one decision.
pub(in crate::decide) struct Brakes {
    /// Agents on their way back, with those that set off in this decision.
    in_flight: Cell<i64>,
    /// One agent tries already, to see whether the storm is over.
    tried: Cell<bool>,
}

impl Brakes {
    pub(super) fn of(snapshot: &Snapshot, now: DateTime<Utc>) -> Self {
        Self { in_flight: Cell::new(in_flight(snapshot, now)), tried: Cell::new(false) }
    }

    /// For a look ahead, in which nobody sets off.
    pub(super) fn none() -> Self {
        Self { in_flight: Cell::new(0), tried: Cell::new(false) }
    }
}

/// A storm, and when the next agent may try.
pub(super) struct Storm {
    pub because: String,
    pub until: DateTime<Utc>,
    /// The scope that an agent that tries stands for.
    pub scope: Scope,
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
        let Unrest { scope, agents, unhealthy, last_death } = self.snapshot.unrest.iter().find(counts)?;
        let cooldown = TimeDelta::seconds(limits.cooldown_seconds);
        Some(Storm {
            because: format!(
                "{unhealthy} of {agents} agents of {scope} are in trouble at once; none is restarted until it calms down"
            ),
            until: last_death.map_or(self.now, |last| last + cooldown),
            scope: scope.clone(),
        })
    }

    /// The storm that holds this agent now: one agent of the mission may try when nobody has for a while.
    pub(super) fn held_by_storm(&self) -> Result<Option<Scope>, Storm> {
        let Some(storm) = self.storm(true) else { return Ok(None) };
        if self.now < storm.until {
            return Err(storm);
        }
        if self.brakes.tried.replace(true) {
            let cooldown = self.policy.map_or(0, |policy| policy.storm.cooldown_seconds);
            return Err(Storm { until: self.now + TimeDelta::seconds(cooldown), ..storm });
        }
        Ok(Some(storm.scope))
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
    if matches!(agent.reason, Some(Reason::RevivalSuppressed | Reason::AttemptsExhausted)) {
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
