//! Everything at once, in histories drawn from fixed seeds.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use lazarus::api::AgentState;

use super::cluster::{MISSIONS, NEVER, is_watched, node_of};
use super::fleet::Fleet;

/// How many histories; each is ten minutes and more of trouble and then peace until all is well.
const HISTORIES: u64 = 240;
/// Workers that share them: tests run beside each other anyway.
const WORKERS: u64 = 2;
/// All is well again this many seconds after the trouble at the latest: a hang that had just begun is found after
/// `deadAfterSeconds`, a sidecar's longest pause is a minute, and where several hang on one node they wait a cooldown each.
const PEACE: u64 = 3600;

/// Knuth's linear congruential generator; its upper bits are random enough to draw from.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }
}

fn cut(fleet: &mut Fleet, dice: &mut Dice) {
    let (share, node, both) = (dice.below(101), dice.index(5), dice.below(2) == 0);
    let by_node = dice.below(3) == 0;
    let replica = usize::from(dice.below(2) == 0);
    for agent in fleet.agents() {
        let hit = if by_node { node_of(agent) == node } else { dice.below(100) < share };
        fleet.cut[replica][agent] = hit;
        fleet.cut[1 - replica][agent] = hit && both;
    }
}

/// One thing happens, and then a while passes.
fn happen(fleet: &mut Fleet, dice: &mut Dice, hung: &mut BTreeSet<usize>) {
    let gap = dice.below(80);
    let leader = fleet.leader.unwrap_or(0);
    match dice.below(13) {
        0..=2 => cut(fleet, dice),
        3 | 4 => fleet.heal(),
        5 => fleet.lead(1 - leader, gap),
        6 => fleet.restart_leader(gap),
        7 => {
            let by = [86_400, -86_400, 3600, -3600, 400, -400, 5, -5][dice.index(8)];
            fleet.replicas[usize::from(dice.below(2) == 0)].step_clock(TimeDelta::seconds(by));
        }
        8 => fleet.restart_sidecar(dice.index(fleet.agents().end), gap),
        9 => fleet.agents().for_each(|agent| fleet.restart_sidecar(agent, gap + agent as u64)),
        10 => {
            let (node, wall) = (format!("n{}", dice.below(5)), fleet.cluster.wall());
            let node = fleet.cluster.nodes.get_mut(&node).unwrap();
            node.not_ready = if node.not_ready.is_some() { None } else { Some(wall) };
            fleet.cluster.missions.iter_mut().for_each(|mission| mission.dirty = true);
        }
        _ => {
            let agent = dice.index(fleet.agents().end);
            if is_watched(agent) && hung.len() < 4 && fleet.cluster.process(agent).is_some() && hung.insert(agent) {
                fleet.hang(agent);
            }
        }
    }
    fleet.run(1 + dice.below(120));
}

/// How many agents hung and came back.
fn history(seed: u64) -> usize {
    // Mostly small fleets, as they are soon simulated; in those of one node's few agents a storm is more likely.
    let missions = if seed.is_multiple_of(30) { MISSIONS } else { 1 + usize::try_from(seed % 3).unwrap() };
    let (mut fleet, mut dice, mut hung) = (Fleet::of(missions), Dice(seed), BTreeSet::new());
    while fleet.cluster.t < 600 {
        happen(&mut fleet, &mut dice, &mut hung);
    }
    fleet.heal();
    fleet.cluster.nodes.values_mut().for_each(|node| node.not_ready = None);
    fleet.cluster.missions.iter_mut().for_each(|mission| mission.dirty = true);
    let kept = hung.remove(&NEVER);
    let revived = |fleet: &Fleet| hung.iter().all(|agent| fleet.attempt(*agent) == 2);
    let rest = |fleet: &Fleet| fleet.agents().filter(|agent| !(kept && *agent == NEVER)).all(|agent| fleet.is_well(agent));
    let shown = |fleet: &Fleet| !kept || fleet.state(NEVER).state == AgentState::Dead;
    let done = fleet.until(PEACE, |fleet| revived(fleet) && rest(fleet) && shown(fleet));
    fleet.run(30);
    let ill: Vec<_> = fleet.agents().map(|agent| fleet.state(agent)).filter(|change| !fleet.is_well(change.agent)).collect();
    assert!(done.is_some(), "history {seed}: hung {hung:?}, {ill:?}");
    assert_eq!(fleet.cluster.violations, [""; 0], "history {seed}");
    let dead: BTreeSet<_> = fleet.cluster.verdicts.iter().map(|(_, agent)| *agent).collect();
    let back = hung.len();
    assert_eq!(
        (dead.len(), dead),
        (fleet.cluster.verdicts.len(), hung),
        "history {seed}: each hang is found once, and nothing else"
    );
    back
}

#[test]
fn random_histories_harm_no_live_agent_and_end_well() {
    let share = |first: u64| (first..HISTORIES).step_by(usize::try_from(WORKERS).unwrap());
    let workers: Vec<_> =
        (0..WORKERS).map(|first| std::thread::spawn(move || share(first).map(history).sum::<usize>())).collect();
    let revived: usize = workers.into_iter().map(|worker| worker.join().expect("no history goes wrong")).sum();
    assert!(revived > 100, "only {revived} agents hung: the histories are too quiet");
}
