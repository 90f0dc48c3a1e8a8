//! What is asked of people, and what follows from their answers.
//!
//! A ruling is taken over into the mission's status before it is acted on: that write, which fails if anything changed,
//! is the moment of the decision. What a RevivalRequest's own status says only follows from it.

mod answer;
mod question;
mod ruling;

pub(super) use answer::{answers, forgotten};
pub(super) use question::questions;
pub(super) use ruling::{Standing, TIMEOUT, standing, times_out};
pub use ruling::{expiry, quorum};

use crate::api::conditions::Reason;
use crate::api::{AgentState, AgentStatus, DecisionVerdict, RequestIncident, Ruling};
use crate::observe::{Cell, Request};

/// The ruling about the incarnation that is recorded as the agent, if there is one.
pub(super) fn ruling(agent: &AgentStatus) -> Option<&Ruling> {
    agent.ruling.as_ref().filter(|ruling| Some(&ruling.pod_uid) == agent.pod_uid.as_ref())
}

/// Whether a person decided that the agent comes back.
pub(super) fn is_to_return(agent: &AgentStatus) -> bool {
    let revives = |ruling: &&Ruling| ruling.verdict == DecisionVerdict::Approve && ruling.option.as_deref() == Some("Revive");
    ruling(agent).as_ref().is_some_and(revives)
}

/// Whether a request can still decide about an incarnation: it is the agent's last, it is dead, and if another agent has its
/// part, the request gives that back.
pub(super) fn stands(cell: &Cell, request: &Request, agent: &str, pod_uid: &str) -> bool {
    let about = request.spec.incidents.iter().any(|incident| incident.is_about(agent, pod_uid));
    let status = cell.status.agents.iter().find(|status| status.name == agent);
    let revives = request.spec.options.first().map(String::as_str) == Some("Revive");
    about
        && status.is_some_and(|status| {
            status.pod_uid.as_deref() == Some(pod_uid) && is_dead(status) && (status.holder.is_none() || revives)
        })
}

fn is_dead(agent: &AgentStatus) -> bool {
    let ended = agent.last_end.as_ref().is_some_and(|end| Some(&end.pod_uid) == agent.pod_uid.as_ref() && end.is_undesired());
    // What is not known of it for a while takes no question back.
    let taken_for_dead = matches!(
        agent.reason,
        Some(
            Reason::AwaitingApproval
                | Reason::Denied
                | Reason::RevivalSuppressed
                | Reason::AttemptsExhausted
                | Reason::NodeUncertain
                | Reason::LinkLost
        )
    );
    agent.state != AgentState::Done && (ended || taken_for_dead)
}

/// The incidents of a request that its own ruling is about.
fn ruled<'a>(cell: &'a Cell, request: &'a Request) -> impl Iterator<Item = (&'a RequestIncident, &'a AgentStatus, &'a Ruling)> {
    request.spec.incidents.iter().filter_map(|incident| {
        let agent = cell.status.agents.iter().find(|agent| agent.name == incident.agent)?;
        let ruling = agent.ruling.as_ref().filter(|ruling| ruling.request == request.name)?;
        (ruling.pod_uid == incident.pod_uid).then_some((incident, agent, ruling))
    })
}
