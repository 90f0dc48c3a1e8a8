//! What a state is: as much of the cluster and of the operator's replicas as what is done depends on.

use std::hash::{Hash, Hasher};

/// Everything at one moment.
///
/// Two states are the same if they differ only in which replica is which, or in the UIDs' values, not their order: nothing
/// that follows depends on either.
#[derive(Clone, Debug)]
pub struct State {
    /// The mission that has the name now.
    pub cell: Option<Cell>,
    /// How many missions have had the name.
    pub cells: u8,
    /// Pods with the agent's labels, in the order in which they were made.
    pub pods: Vec<Pod>,
    /// How many pods were made.
    pub uids: u8,
    /// What people were asked, and what they said.
    pub requests: Vec<Request>,
    /// The operator's replicas.
    pub replicas: [Replica; 2],
    /// Writes under way whose sender has given them up. Each may land at any time.
    pub ghosts: Vec<Write>,
    /// What may still go wrong.
    pub left: Faults,
    /// A replica acted on a death without permission.
    pub trespass: bool,
    /// A replica ended an agent that was well.
    pub harm: bool,
    /// Names of pods that were the agent, for the variant that admits by name alone.
    pub names: Vec<(u8, u8)>,
}

/// The MissionCell, as it is stored or as a replica has read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Which of the missions of this name it is; stands for its UID.
    pub number: u8,
    /// Whether it waits for its pods to go.
    pub deleting: bool,
    /// Version of the spec.
    pub spec: u8,
    /// The agent's record.
    pub status: Status,
}

/// The part of the agent's record that decides what is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status {
    /// Number of the incarnation.
    pub attempt: u8,
    /// The committed pod.
    pub pod: Option<u8>,
    /// How it ended, if that is written down.
    pub end: Option<End>,
    /// Whether it waits for a person's decision.
    pub waits: bool,
    /// What a person decided about this incarnation, once that is taken over.
    pub ruling: Option<Answer>,
}

/// A RevivalRequest: a question about one incarnation. It is never closed here, so its answer counts for longer than in the
/// cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// The mission.
    pub cell: u8,
    /// UID of the pod that died; stands for the name of the request.
    pub pod: u8,
    /// What a person said. Nobody takes it back.
    pub answer: Option<Answer>,
    /// A successor of this incarnation became the agent.
    pub used: bool,
}

/// What a person says about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// The agent is to come back.
    Approve,
    /// It stays dead.
    Deny,
}

/// How an incarnation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// Of itself, or by a verdict.
    Died,
    /// Its pod was taken away.
    Disrupted,
    /// The spec changed.
    Replaced,
}

/// One pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pod {
    /// Its UID.
    pub uid: u8,
    /// The mission it was made for; part of its name.
    pub cell: u8,
    /// Whether that mission still owns it.
    pub owned: bool,
    /// Number of the incarnation; part of its name.
    pub attempt: u8,
    /// Version of the spec it was made from.
    pub spec: u8,
    /// How far it is.
    pub stage: Stage,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether the gateway may say yes to it: a status once said that it is the agent.
    pub expected: bool,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The sidecar asks for admission, or does not even run yet.
    Asks,
    /// The answer was yes; the kubelet is about to start the agent.
    Admitted,
    /// The agent's process runs.
    Runs,
    /// It ended before anybody asked for the pod's deletion.
    Died,
    /// It ended because the pod is deleted.
    Stopped,
}

/// A replica of the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica {
    /// What it is about.
    pub phase: Phase,
    /// The other one leads meanwhile, and this one does not know: it goes on with what it is about, and then stops.
    pub late: bool,
}

/// What a replica is about.
#[derive(Default, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// It has read the mission, not the pods yet.
    Read {
        /// The mission as it was then.
        cell: Cell,
        /// Whether it still is what is stored.
        fresh: bool,
    },
    /// It has read the pods, not the mission yet: the wrong way round, for a variant.
    Listed(Vec<Pod>),
    /// It has decided, and has these writes to make, in this order.
    Writes(Vec<Write>),
}

/// A request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Write {
    /// Make the pod of an incarnation.
    Create {
        /// For which mission.
        cell: u8,
        /// Number of the incarnation.
        attempt: u8,
        /// Version of the spec.
        spec: u8,
    },
    /// Delete the pod with this UID.
    Delete(u8),
    /// Ask people about an incarnation.
    Ask {
        /// For which mission.
        cell: u8,
        /// UID of its pod.
        pod: u8,
    },
    /// Store this record, if the mission is still as it was read.
    Patch {
        /// The mission.
        cell: u8,
        /// The record.
        status: Status,
    },
}

/// How often each thing may happen that need not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// The agent's process ends by itself.
    pub deaths: u8,
    /// The agent's process runs, but its sidecar reports that it is silent for too long.
    pub verdicts: u8,
    /// Somebody else deletes a pod.
    pub evictions: u8,
    /// A write is given up by its sender and lands later. One that never lands needs no budget.
    pub ghosts: u8,
    /// The lead goes to the other replica, and the one that had it goes on with what it is about. While it is about nothing,
    /// the lead goes to and fro for free; so does a crash.
    pub flips: u8,
    /// Somebody deletes the mission.
    pub deletions: u8,
    /// Somebody makes the mission anew, under the same name.
    pub returns: u8,
    /// Somebody changes the agent's spec.
    pub edits: u8,
    /// By a replica's clock a wait is not over that another one takes for over.
    pub clocks: u8,
    /// A person answers a question.
    pub answers: u8,
}

impl Pod {
    /// Whether its process has ended.
    pub fn is_over(self) -> bool {
        matches!(self.stage, Stage::Died | Stage::Stopped)
    }
}

impl State {
    /// The pod with this UID.
    pub fn pod(&self, uid: u8) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.uid == uid)
    }

    /// The pod that is the agent.
    pub fn committed(&self) -> Option<&Pod> {
        self.pod(self.cell.as_ref()?.status.pod?)
    }

    /// Whether this pod is the agent, and nothing is written down against it.
    pub fn is_well(&self, uid: u8) -> bool {
        let agent = self.committed().is_some_and(|pod| pod.uid == uid && !pod.deleting && !pod.is_over());
        agent && self.cell.as_ref().is_some_and(|cell| cell.status.end.is_none())
    }

    /// What people were asked about this incarnation.
    pub fn request(&self, uid: Option<u8>) -> Option<&Request> {
        self.requests.iter().find(|request| Some(request.pod) == uid)
    }

    /// How many agents' processes run.
    pub fn running(&self) -> usize {
        self.pods.iter().filter(|pod| pod.stage == Stage::Runs).count()
    }

    /// Whether no replica and no request is under way.
    pub fn is_quiet(&self) -> bool {
        self.ghosts.is_empty() && self.replicas.iter().all(|replica| replica.phase == Phase::Idle)
    }

    /// The UIDs that anything names, as bits.
    fn named(&self) -> u64 {
        let bit = |status: &Status| status.pod.map_or(0, |uid| 1_u64 << uid);
        let write = |write: &Write| match write {
            Write::Create { .. } => 0,
            Write::Delete(uid) | Write::Ask { pod: uid, .. } => 1 << uid,
            Write::Patch { status, .. } => bit(status),
        };
        let phase = |phase: &Phase| match phase {
            Phase::Idle => 0,
            Phase::Read { cell, .. } => bit(&cell.status),
            Phase::Listed(pods) => pods.iter().fold(0, |bits, pod| bits | 1 << pod.uid),
            Phase::Writes(writes) => writes.iter().fold(0, |bits, one| bits | write(one)),
        };
        let stored = self.cell.as_ref().map_or(0, |cell| bit(&cell.status));
        let pods = self.pods.iter().fold(0_u64, |bits, pod| bits | 1 << pod.uid);
        let pods = self.requests.iter().fold(pods, |bits, request| bits | 1 << request.pod);
        let replicas = self.replicas.iter().fold(0, |bits, one| bits | phase(&one.phase));
        stored | pods | replicas | self.ghosts.iter().fold(0, |bits, one| bits | write(one))
    }
}

/// Puts each UID's rank in place of its value.
pub struct Ranks(u64);

impl Ranks {
    /// Among the UIDs of a mission's status, of these pods and in these requests.
    pub fn among(cell: &Cell, pods: &[Pod], requests: &[Request]) -> Self {
        let stored = cell.status.pod.map_or(0, |uid| 1_u64 << uid);
        let named = pods.iter().map(|pod| pod.uid).chain(requests.iter().map(|request| request.pod));
        Self(named.fold(stored, |bits, uid| bits | 1 << uid))
    }

    /// The UID of this rank.
    pub fn back(&self, rank: u8) -> u8 {
        (0..64).filter(|uid| self.0 & (1 << uid) != 0).nth(rank.into()).unwrap()
    }

    fn of(&self, uid: u8) -> u8 {
        let below = self.0 & ((1 << uid) - 1);
        u8::try_from(below.count_ones()).unwrap()
    }

    fn status(&self, status: Status) -> Status {
        Status { pod: status.pod.map(|uid| self.of(uid)), ..status }
    }

    /// In what was read of a mission.
    pub fn cell(&self, cell: &Cell) -> Cell {
        Cell { status: self.status(cell.status), ..cell.clone() }
    }

    /// In pods.
    pub fn pods(&self, pods: &[Pod]) -> Vec<Pod> {
        pods.iter().map(|pod| Pod { uid: self.of(pod.uid), ..*pod }).collect()
    }

    /// In requests.
    pub fn requests(&self, requests: &[Request]) -> Vec<Request> {
        requests.iter().map(|request| Request { pod: self.of(request.pod), ..*request }).collect()
    }

    fn writes(&self, writes: &[Write]) -> Vec<Write> {
        let one = |write: &Write| match *write {
            Write::Create { .. } => *write,
            Write::Delete(uid) => Write::Delete(self.of(uid)),
            Write::Ask { cell, pod } => Write::Ask { cell, pod: self.of(pod) },
            Write::Patch { cell, status } => Write::Patch { cell, status: self.status(status) },
        };
        writes.iter().map(one).collect()
    }

    fn phase(&self, phase: &Phase) -> Phase {
        match phase {
            Phase::Idle => Phase::Idle,
            Phase::Read { cell, fresh } => Phase::Read { cell: self.cell(cell), fresh: *fresh },
            Phase::Listed(pods) => Phase::Listed(self.pods(pods)),
            Phase::Writes(writes) => Phase::Writes(self.writes(writes)),
        }
    }
}

/// What makes two states different.
type Essence = ((Option<Cell>, u8, Vec<Pod>, Vec<Request>, [Replica; 2]), (Vec<Write>, Faults, [bool; 2], Vec<(u8, u8)>));

impl State {
    fn essence(&self) -> Essence {
        let ranks = Ranks(self.named());
        let ranked = |replica: &Replica| Replica { phase: ranks.phase(&replica.phase), late: replica.late };
        let mut replicas = self.replicas.each_ref().map(ranked);
        replicas.sort_unstable();
        let mut ghosts = ranks.writes(&self.ghosts);
        ghosts.sort_unstable();
        let cell = self.cell.as_ref().map(|cell| ranks.cell(cell));
        let cluster = (cell, self.cells, ranks.pods(&self.pods), ranks.requests(&self.requests), replicas);
        (cluster, (ghosts, self.left, [self.trespass, self.harm], self.names.clone()))
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.essence().hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.essence() == other.essence()
    }
}

impl Eq for State {}
