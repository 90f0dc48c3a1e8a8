//! What is checked: the rules hold in every state, and each variant of them breaks one.

use lazarus::api::Revive;
use lazarus::runtime::clock::{Clock, SystemClock};
use stateright::{Checker, HasDiscoveries, Model};

use super::configuration::{Configuration, Deletion, NO_FAULTS, Variant};
use super::model::{AT_MOST_ONE, Lazarus, NO_HARM, NOT_GONE, PERMISSION, STARTS};
use super::state::Faults;
use super::tell;

const RUNS: &str = "the agent runs";
const AGAIN: &str = "a later incarnation runs";
const RETURNED: &str = "the agent of a later mission runs";
const BESIDE: &str = "a pod waits beside the running agent";
const STRANGER: &str = "a pod of an earlier mission, or of nobody, may run beside a mission";
const DYING: &str = "the agent runs while its pod is being deleted";
const DOOMED: &str = "the agent is taken for dead while it runs";
const WAITS: &str = "a person is asked and has not answered";
const APPROVED: &str = "the agent runs that a person had brought back";
const DENIED: &str = "the agent stays dead because a person denied it";
const TOO_LATE: &str = "a person answered about an incarnation that is no longer the agent";
const GHOST: &str = "a write is under way without a sender";

/// The rule that was broken, and how many states were seen.
type Outcome = (Option<&'static str>, usize);

fn check(configuration: Configuration, threads: usize, required: &[&str]) -> Outcome {
    let Configuration { name, faults, ways, revive, variant } = configuration;
    println!("\n{name}: rules {variant:?}, revive {revive:?}, deletion {ways:?}, {faults:?}");
    let began = SystemClock.monotonic();
    let checker = Lazarus::new(configuration).checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let took = SystemClock.monotonic().saturating_duration_since(began).as_secs_f64();
    let model = checker.model();
    let broken = checker.discoveries().into_iter().min_by_key(|(_, path)| path.clone().into_states().len());
    println!(
        "  {} states, {} different ones, at most {} steps from the first, {} questions to decide, {took:.1} s: {}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        model.production.questions(),
        broken.as_ref().map_or("every rule holds".into(), |(rule, _)| format!("BROKEN: {rule}")),
    );
    if let Some((rule, path)) = &broken {
        print!("{}", tell::history(&path.clone().into_vec()));
        if *rule == STARTS {
            print!("{}", tell::alone(model, path.last_state()));
        }
    } else {
        print!("{}", model.coverage);
        for sight in required {
            assert!(model.coverage.saw(sight), "{name}: in no state {sight}");
        }
    }
    (broken.map(|(rule, _)| rule), checker.unique_state_count())
}

fn holds(configuration: Configuration, threads: usize, required: &[&str]) {
    let name = configuration.name;
    let (broken, _) = check(configuration, threads, required);
    assert_eq!(broken, None, "{name}");
}

fn breaks(configuration: Configuration, variant: Variant, rule: &str) {
    let (broken, states) = check(configuration.but(variant), 1, &[]);
    assert_eq!(broken, Some(rule), "{variant:?} in {states} states");
}

const ALL_WAYS: &[Deletion] = &[Deletion::Background, Deletion::Foreground, Deletion::Orphan];

/// A model, and what must be seen in it.
type Required = (Configuration, &'static [&'static str]);

/// Small enough for every run of the tests.
fn small() -> Vec<Required> {
    let late = Faults { ghosts: 1, flips: 1, ..NO_FAULTS };
    let one = |name, faults| Configuration { ways: ALL_WAYS, ..Configuration::new(name, faults) };
    let never = |name, faults| Configuration { revive: Revive::Never, ..one(name, faults) };
    let ask = |name, faults| Configuration { revive: Revive::Ask, ..one(name, faults) };
    let all = Faults { deaths: 1, verdicts: 1, evictions: 1, edits: 1, clocks: 1, deletions: 1, returns: 1, ..NO_FAULTS };
    vec![
        (one("death", Faults { deaths: 1, ..late }), &[AGAIN, BESIDE, GHOST]),
        (one("verdict", Faults { verdicts: 1, ..late }), &[AGAIN, DYING, DOOMED]),
        (one("eviction", Faults { evictions: 1, clocks: 1, flips: 1, ..NO_FAULTS }), &[AGAIN, DYING]),
        (one("edit", Faults { edits: 1, ..late }), &[AGAIN, DOOMED]),
        (one("return", Faults { deletions: 1, returns: 1, flips: 1, ..NO_FAULTS }), &[RETURNED, STRANGER]),
        (one("punctual", all), &[AGAIN, RETURNED, DYING, DOOMED, STRANGER]),
        (never("never", Faults { deaths: 1, verdicts: 1, ..late }), &[RUNS]),
        (ask("ask", Faults { deaths: 1, answers: 1, ..late }), &[WAITS, APPROVED, DENIED, GHOST]),
    ]
}

/// Larger ones, for an optimised build.
fn large() -> Vec<Required> {
    let one = |name, faults| Configuration { ways: ALL_WAYS, ..Configuration::new(name, faults) };
    let ends = Faults { deaths: 1, verdicts: 1, evictions: 1, ..NO_FAULTS };
    let late = Faults { ghosts: 1, flips: 1, ..ends };
    let returns = Faults { deletions: 1, returns: 1, ..late };
    let seen = &[AGAIN, DYING, DOOMED, BESIDE, GHOST];
    let asked = &[WAITS, APPROVED, DENIED, TOO_LATE, DOOMED, BESIDE, GHOST];
    let returned = &[AGAIN, RETURNED, DYING, DOOMED, BESIDE, STRANGER, GHOST];
    vec![
        (one("ends", Faults { edits: 1, clocks: 1, ..late }), seen),
        (one("overlaps", Faults { ghosts: 2, flips: 2, ..ends }), seen),
        (one("returns", returns), returned),
        (Configuration { revive: Revive::Never, ..one("never", Faults { edits: 1, clocks: 1, ..late }) }, &[RUNS, AGAIN]),
        (Configuration { revive: Revive::Ask, ..one("ask", Faults { verdicts: 2, edits: 1, answers: 1, ..late }) }, asked),
        (one("everything", Faults { edits: 1, clocks: 1, ..returns }), returned),
    ]
}

#[test]
fn the_rules_hold() {
    let models = match std::env::var("MODEL") {
        Err(_) => small(),
        Ok(wanted) => {
            // The last one takes longer than all others: only who asks for it gets it.
            let chosen = |name: &str| wanted == name || wanted == "all" && name != "everything";
            large().into_iter().filter(|(model, _)| chosen(model.name)).collect::<Vec<_>>()
        }
    };
    assert!(!models.is_empty(), "there is no such model");
    for (configuration, required) in models {
        holds(configuration, 2, required);
    }
}

#[test]
fn a_name_is_not_enough() {
    breaks(Configuration::new("names", Faults { deaths: 1, ghosts: 1, ..NO_FAULTS }), Variant::NamesOnly, AT_MOST_ONE);
}

#[test]
fn without_admission_a_late_pod_runs() {
    breaks(Configuration::new("no admission", Faults { deaths: 1, ghosts: 1, ..NO_FAULTS }), Variant::NoAdmission, AT_MOST_ONE);
}

#[test]
fn a_pod_that_is_being_deleted_is_not_gone() {
    breaks(Configuration::new("no wait", Faults { evictions: 1, ..NO_FAULTS }), Variant::NoWait, AT_MOST_ONE);
}

#[test]
fn the_pods_are_read_after_the_mission() {
    breaks(Configuration::new("pods first", Faults { flips: 1, ..NO_FAULTS }), Variant::PodsFirst, NOT_GONE);
}

#[test]
fn a_pod_that_is_about_to_be_the_agent_is_no_stray() {
    breaks(Configuration::new("strays", NO_FAULTS), Variant::StrayRule, STARTS);
}

#[test]
fn a_late_write_may_end_a_living_agent() {
    breaks(Configuration::new("late", Faults { evictions: 1, flips: 1, clocks: 1, ..NO_FAULTS }), Variant::LateToo, NO_HARM);
}

#[test]
fn pods_of_an_earlier_mission_count() {
    let faults = Faults { deletions: 1, returns: 1, ..NO_FAULTS };
    for ways in [&[Deletion::Orphan], &[Deletion::Background]] {
        breaks(Configuration { ways, ..Configuration::new("own pods", faults) }, Variant::OwnPodsOnly, AT_MOST_ONE);
    }
}

#[test]
fn an_approval_is_about_one_incarnation() {
    let faults = Faults { deaths: 2, answers: 1, ..NO_FAULTS };
    let ask = Configuration { revive: Revive::Ask, ..Configuration::new("any incarnation", faults) };
    breaks(ask, Variant::AnyIncarnation, PERMISSION);
}

#[test]
fn a_question_is_no_approval() {
    let ask = Configuration { revive: Revive::Ask, ..Configuration::new("silence", Faults { deaths: 1, ..NO_FAULTS }) };
    breaks(ask, Variant::SilenceApproves, PERMISSION);
}

#[test]
fn a_death_does_not_permit_a_revival() {
    let never = Configuration { revive: Revive::Never, ..Configuration::new("no permission", Faults { deaths: 1, ..NO_FAULTS }) };
    breaks(never, Variant::NoPermission, PERMISSION);
}
