//! What was seen on the way: a model in which nothing happens breaks no rule either.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::state::{Answer, Pod, Stage, State};

type Sight = (&'static str, fn(&State) -> bool);

const SIGHTS: [Sight; 12] = [
    ("the agent runs", |state| state.running() > 0),
    ("a later incarnation runs", |state| runs(state, |pod| pod.attempt > 1)),
    ("the agent of a later mission runs", |state| runs(state, |pod| pod.cell > 1)),
    ("the agent runs while its pod is being deleted", |state| runs(state, |pod| pod.deleting)),
    ("the agent is taken for dead while it runs", |state| {
        let ended = state.cell.as_ref().is_some_and(|cell| cell.status.end.is_some());
        ended && state.committed().is_some_and(|pod| pod.stage == Stage::Runs)
    }),
    ("a pod of an earlier mission, or of nobody, may run beside a mission", |state| {
        let foreign = |pod: &Pod, cell: u8| !pod.is_over() && (!pod.owned || pod.cell != cell);
        state.cell.as_ref().is_some_and(|cell| state.pods.iter().any(|pod| foreign(pod, cell.number)))
    }),
    ("a pod waits beside the running agent", |state| {
        state.running() > 0 && state.pods.iter().any(|pod| matches!(pod.stage, Stage::Asks | Stage::Admitted))
    }),
    ("a write is under way without a sender", |state| !state.ghosts.is_empty()),
    ("a person is asked and has not answered", |state| {
        let waits = state.cell.as_ref().filter(|cell| cell.status.waits);
        waits.is_some_and(|cell| state.request(cell.status.pod).is_some_and(|request| request.answer.is_none()))
    }),
    ("the agent runs that a person had brought back", |state| {
        state.requests.iter().any(|request| request.used) && runs(state, |pod| pod.attempt > 1)
    }),
    ("the agent stays dead because a person denied it", |state| {
        let status = state.cell.as_ref().map(|cell| cell.status);
        status.is_some_and(|status| status.end.is_some() && status.ruling == Some(Answer::Deny))
    }),
    ("a person answered about an incarnation that is no longer the agent", |state| {
        let agent = state.cell.as_ref().and_then(|cell| cell.status.pod);
        state.requests.iter().any(|request| request.answer.is_some() && !request.used && Some(request.pod) != agent)
    }),
];

fn runs(state: &State, which: impl Fn(&Pod) -> bool) -> bool {
    state.pods.iter().any(|pod| pod.stage == Stage::Runs && which(pod))
}

/// In how many states each thing was seen.
#[derive(Debug, Default)]
pub struct Coverage([AtomicU64; SIGHTS.len()]);

impl Coverage {
    /// Counts what is to be seen in this state.
    pub fn see(&self, state: &State) {
        for ((_, sight), count) in SIGHTS.iter().zip(&self.0) {
            if sight(state) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What was seen, of these words: `the agent runs`.
    pub fn saw(&self, words: &str) -> bool {
        let index = SIGHTS.iter().position(|(name, _)| *name == words).expect("a sight");
        self.0[index].load(Ordering::Relaxed) > 0
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        for ((name, _), count) in SIGHTS.iter().zip(counts).filter(|(_, count)| *count > 0) {
            writeln!(formatter, "  {count:>11} states: {name}")?;
        }
        Ok(())
    }
}
