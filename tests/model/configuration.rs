//! What is checked: how much may go wrong, under which policy, with which change to the rules.

use lazarus::api::Revive;

use super::state::Faults;

/// One model.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Its name, as it is printed.
    pub name: &'static str,
    /// What may go wrong, and how often.
    pub faults: Faults,
    /// How the mission is deleted, if it is.
    pub ways: &'static [Deletion],
    /// What the policy says about deaths.
    pub revive: Revive,
    /// What is done differently from the real operator.
    pub variant: Variant,
}

/// How a person deletes a mission: the propagation policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The mission goes at once, its pods later.
    Background,
    /// The mission waits until its pods are gone.
    Foreground,
    /// The pods stay, and belong to nobody.
    Orphan,
}

/// What is done differently: each of these but the first must be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Nothing: the rules as they are.
    Real,
    /// The gateway admits every pod that has the name of one that was committed.
    NamesOnly,
    /// Agents start without admission.
    NoAdmission,
    /// A committed pod that is being deleted counts as gone.
    NoWait,
    /// A pod that is not committed is deleted, also the one that is about to be.
    StrayRule,
    /// A pod is committed without a look at those of other missions of the same name.
    OwnPodsOnly,
    /// The pods are read before the mission.
    PodsFirst,
    /// What holds only if no write is late is asked anyway.
    LateToo,
    /// Permission is not asked.
    NoPermission,
    /// A decision counts for whichever incarnation is dead.
    AnyIncarnation,
    /// A question that nobody has answered counts as approved.
    SilenceApproves,
}

/// Nothing goes wrong.
pub const NO_FAULTS: Faults = Faults {
    deaths: 0,
    verdicts: 0,
    evictions: 0,
    ghosts: 0,
    flips: 0,
    deletions: 0,
    returns: 0,
    edits: 0,
    clocks: 0,
    answers: 0,
};

impl Configuration {
    /// The rules as they are, with these faults.
    pub const fn new(name: &'static str, faults: Faults) -> Self {
        Self { name, faults, ways: &[Deletion::Background], revive: Revive::Always, variant: Variant::Real }
    }

    /// Whether no write can be late: one leads at a time, and each write is answered.
    pub fn is_punctual(&self) -> bool {
        (self.faults.flips, self.faults.ghosts) == (0, 0) || self.variant == Variant::LateToo
    }

    /// The same with other rules.
    pub const fn but(self, variant: Variant) -> Self {
        Self { variant, ..self }
    }
}
