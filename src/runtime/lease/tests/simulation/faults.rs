//! What goes wrong in the simulation: pauses, crashes, slow releases and a person at the Lease.

use super::*;

impl World {
    pub(super) fn fault(&mut self) {
        if self.now > STORM_ENDS {
            return;
        }
        let next = 1_000 + self.below(40_000);
        self.schedule(next, 0, Event::Fault);
        let victim = usize::try_from(self.below(3)).unwrap();
        match self.below(9) {
            0 => self.candidates[victim].paused_until = self.now + self.below(60_000),
            1 => self.restart(victim),
            2 => {
                let (now, wall) = (self.local(victim), self.wall(victim));
                let released = self.candidates[victim].elector.release(now, wall);
                self.restart(victim);
                if let Some(lease) = released {
                    let way = self.below(20_000);
                    self.schedule(way, victim, Event::Arrive(0, Box::new(Step::Replace(lease)), now));
                }
            }
            // One that comes and goes within half a lease is beyond what an absent object can tell (see the module).
            3 if self.now > self.deleted_at.max(self.born_at) + 60_000 => {
                self.store = None;
                self.deleted_at = self.now;
            }
            4 => self.edit(|lease, _| {
                lease.spec = lease.spec.take().map(|spec| LeaseSpec { holder_identity: Some("a person".into()), ..spec });
            }),
            5 => self.edit(|lease, name| lease.spec.get_or_insert_default().holder_identity = Some(name.into())),
            6 => self.edit(|lease, _| {
                let spec = lease.spec.get_or_insert_default();
                (spec.holder_identity, spec.lease_duration_seconds) = (None, Some(15));
            }),
            7 => self.edit(|lease, _| {
                let spec = lease.spec.get_or_insert_default();
                if spec.holder_identity.as_deref().is_some_and(|holder| !holder.is_empty()) {
                    (spec.lease_duration_seconds, spec.lease_transitions) = (Some(1), Some(i32::MAX));
                }
            }),
            _ => self.edit(|lease, _| lease.metadata.labels = None),
        }
    }

    /// A new process, with a name of its own.
    fn restart(&mut self, victim: usize) {
        self.order += 1;
        let name = format!("candidate-{victim}-{}", self.order);
        let candidate = &mut self.candidates[victim];
        candidate.elector = Elector::new("pit", "lazarus", &name, DURATIONS);
        candidate.turn += 1;
        let turn = candidate.turn;
        let after = self.below(5_000);
        self.schedule(after, victim, Event::Wake(turn));
    }

    fn edit(&mut self, change: impl FnOnce(&mut Lease, &str)) {
        let victim = usize::try_from(self.below(3)).unwrap();
        if let Some(mut lease) = self.store.take() {
            change(&mut lease, &self.candidates[victim].elector.holder);
            self.keep(lease);
        }
    }
}
