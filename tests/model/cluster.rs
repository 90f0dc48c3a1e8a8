//! The API server, the kubelet, the garbage collector, and people.

use super::configuration::{Deletion, Variant};
use super::production::Production;
use super::state::{Answer, Cell, End, Phase, Pod, Request, Stage, State, Status, Write};

impl State {
    /// The API server carries out a write, or refuses it.
    pub fn store(&mut self, write: Write, variant: Variant, production: &Production) {
        match write {
            Write::Create { cell, attempt, spec } => self.create(cell, attempt, spec, variant),
            Write::Delete(uid) => self.request_deletion(uid),
            Write::Ask { cell, pod } => self.ask(cell, pod),
            Write::Patch { cell, status } => self.patch(cell, status, variant, production),
        }
        self.forget_the_impossible();
    }

    fn create(&mut self, cell: u8, attempt: u8, spec: u8, variant: Variant) {
        // Names are unique: 409.
        if self.pods.iter().any(|pod| (pod.cell, pod.attempt) == (cell, attempt)) {
            return;
        }
        let stage = if variant == Variant::NoAdmission { Stage::Admitted } else { Stage::Asks };
        let expected = self.names.contains(&(cell, attempt));
        self.uids += 1;
        self.pods.push(Pod { uid: self.uids, cell, owned: true, attempt, spec, stage, deleting: false, expected });
    }

    /// A deletion with the pod's own grace period.
    pub fn request_deletion(&mut self, uid: u8) {
        self.pods.retain(|pod| pod.uid != uid || !pod.is_over());
        for pod in self.pods.iter_mut().filter(|pod| pod.uid == uid) {
            pod.deleting = true;
        }
    }

    fn patch(&mut self, number: u8, status: Status, variant: Variant, production: &Production) {
        let Some(cell) = self.cell.as_mut().filter(|cell| cell.number == number) else { return };
        let before = std::mem::replace(&mut cell.status, status);
        let cell = cell.clone();
        if production.asks() && before.end == Some(End::Died) && before.pod != status.pod {
            self.trespass |= !self.use_approval(before.pod) || status.attempt != before.attempt + 1;
        }
        self.changed();
        // Any leader may come to know this record late or never, and with any pods: from now on, whatever `expected` says of it
        // may be admitted, until the pod's end. That is more than the real gateway admits.
        let young: Vec<_> = self.pods.iter().map(|pod| Pod { stage: Stage::Asks, deleting: false, ..*pod }).collect();
        let expected = production.expected(&cell, &young);
        for pod in &mut self.pods {
            pod.expected |= expected.contains(&pod.uid);
            let name = (pod.cell, pod.attempt);
            if variant == Variant::NamesOnly && pod.expected && !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    fn ask(&mut self, cell: u8, pod: u8) {
        // The name follows from the pod, and names are unique: 409.
        if self.request(Some(pod)).is_none() {
            self.requests.push(Request { cell, pod, answer: None, used: false });
        }
    }

    /// A dead incarnation has a successor: there is an approval for it, and it is the only one by that approval.
    fn use_approval(&mut self, pod: Option<u8>) -> bool {
        let mut approvals = self.requests.iter_mut().filter(|request| request.answer == Some(Answer::Approve) && !request.used);
        let approval = approvals.find(|request| Some(request.pod) == pod);
        approval.is_some_and(|approval| !std::mem::replace(&mut approval.used, true))
    }

    /// A person answers what was asked about an incarnation.
    pub fn answer(&mut self, pod: u8, answer: Answer) {
        for request in self.requests.iter_mut().filter(|request| request.pod == pod) {
            request.answer = Some(answer);
        }
    }

    /// The mission's resourceVersion is another one: what was read of it is old, and patches made from that will be refused.
    pub fn changed(&mut self) {
        for replica in &mut self.replicas {
            match &mut replica.phase {
                Phase::Idle | Phase::Listed(_) => {}
                Phase::Read { fresh, .. } => *fresh = false,
                Phase::Writes(writes) => writes.retain(|write| !is_patch(*write)),
            }
        }
        self.ghosts.retain(|write| !is_patch(*write));
    }

    /// Drops requests that can't have an effect any more.
    pub fn forget_the_impossible(&mut self) {
        let (pods, requests) = (&self.pods, &self.requests);
        let possible = |write: &Write| match write {
            Write::Create { .. } | Write::Patch { .. } => true,
            Write::Delete(uid) => pods.iter().any(|pod| pod.uid == *uid && !pod.deleting),
            Write::Ask { pod, .. } => !requests.iter().any(|request| request.pod == *pod),
        };
        self.ghosts.retain(possible);
        for replica in &mut self.replicas {
            if let Phase::Writes(writes) = &mut replica.phase {
                writes.retain(possible);
                if writes.is_empty() {
                    replica.phase = Phase::Idle;
                }
            }
        }
    }

    /// The kubelet ends the process of a pod that is being deleted, and then lets the pod go.
    pub fn stop(&mut self, uid: u8) {
        self.pods.retain_mut(|pod| {
            let kept = pod.uid != uid || pod.stage == Stage::Runs;
            if pod.uid == uid {
                pod.stage = Stage::Stopped;
            }
            kept
        });
        self.forget_the_impossible();
    }

    /// Sets how far a pod is.
    pub fn advance(&mut self, uid: u8, stage: Stage) {
        for pod in self.pods.iter_mut().filter(|pod| pod.uid == uid) {
            pod.stage = stage;
        }
    }

    /// Whether the garbage collector takes the pod: its owner does not exist, or waits for it to go.
    pub fn is_garbage(&self, pod: Pod) -> bool {
        pod.owned && !pod.deleting && self.cell.as_ref().is_none_or(|cell| cell.deleting || cell.number != pod.cell)
    }

    /// A person deletes the mission.
    pub fn delete_mission(&mut self, way: Deletion) {
        self.changed();
        match way {
            Deletion::Foreground => self.cell.iter_mut().for_each(|cell| cell.deleting = true),
            Deletion::Background => self.cell = None,
            Deletion::Orphan => {
                let gone = self.cell.take().map(|cell| cell.number);
                for pod in self.pods.iter_mut().filter(|pod| Some(pod.cell) == gone) {
                    pod.owned = false;
                }
            }
        }
        self.forget_the_impossible();
    }

    /// Whether a mission that waits for its pods can go.
    pub fn is_empty(&self) -> bool {
        let has_pods = |cell: &Cell| self.pods.iter().any(|pod| pod.owned && pod.cell == cell.number);
        self.cell.as_ref().is_some_and(|cell| cell.deleting && !has_pods(cell))
    }

    /// A person makes a mission of the same name.
    pub fn make_mission(&mut self) {
        self.cells += 1;
        self.cell = Some(Cell { number: self.cells, deleting: false, spec: 0, status: Status::default() });
    }
}

fn is_patch(write: Write) -> bool {
    matches!(write, Write::Patch { .. })
}
