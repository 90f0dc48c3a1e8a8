//! The create of a pod is under way when its sender dies, and lands when nobody expects it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::Client;
use kube::api::DeleteParams;
use lazarus::api::MissionCell;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::detour::{Detour, Landed};
use super::harm::Harm;
use super::support::operator::{kill, leader_other_than, pod_of, well};
use super::support::scene::{Scene, has_run, is_running};
use super::support::stage::CELL;
use super::support::{Stage, agent, lab, mission, quick};

/// A mission of scout and relay, and an operator whose requests can be held back. What is dropped comes in this order.
struct Haunted {
    stage: Stage,
    detour: Detour,
    client: Client,
    _harm: Harm,
}

impl Haunted {
    async fn begin(test: &str) -> Self {
        let client = lab::client().await;
        let mut harm = Harm::begin(&client).await;
        let detour = Detour::of_the_operator(&client, &mut harm).await;
        // A late pod may be there beside the agent's own: what must never be are two agents that run.
        let stage = Stage::with(test, Scene::haunted()).await;
        stage.policy("default", quick(9)).await;
        let haunted = Self { stage, detour, client, _harm: harm };
        haunted.make().await;
        haunted
    }

    async fn make(&self) {
        self.stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
        self.alive(1).await;
    }

    async fn alive(&self, attempt: i64) {
        let well = |mission: &super::support::Mission<'_>| {
            mission.alive("scout", attempt) && mission.alive("relay", 1) && mission.has(Ready, "True", Reason::AgentsAlive)
        };
        self.stage.until(&format!("the mission is well with scout's incarnation {attempt}"), well).await;
    }

    /// Scout dies, and the leader while the create of scout's next incarnation is under way. The next leader gets no
    /// further before [`Detour::pass`] or [`Detour::release`].
    async fn both_die(&mut self, next: i64) {
        let leader = well(&self.client).await;
        self.detour.hold_create(&self.stage, &format!("{CELL}-scout-{next}-"));
        self.stage.tell("scout", "crash");
        self.detour.held();
        assert!(kill(&self.client, pod_of(&leader)).await);
        leader_other_than(&self.client, &[leader]).await;
        self.stage.look(|mission| assert!(mission.pods_of("scout").iter().all(|pod| !is_running(pod))));
    }

    /// Lets the held create go on while scout runs: its pod was there beside the running one, never ran, and goes.
    async fn lands_beside(&mut self) {
        let before = ["scout", "relay"].map(|name| self.stage.uid(name));
        let known: Vec<_> = self.stage.look_at_all(|scene| scene.seen.keys().cloned().collect());
        let met = Arc::new(AtomicBool::new(false));
        let meets = Arc::clone(&met);
        self.stage.never(Box::new(move |scene| {
            let mission = scene.mission(CELL);
            let is_late = |uid: &Option<String>| uid.as_ref().is_some_and(|uid| !known.contains(uid));
            let (late, own): (Vec<_>, Vec<_>) = mission.pods_of("scout").into_iter().partition(|pod| is_late(&pod.metadata.uid));
            if !late.is_empty() && own.iter().any(|pod| is_running(pod)) {
                meets.store(true, Ordering::Relaxed);
            }
            let ran = late.into_iter().find(|pod| has_run(pod))?;
            Some(format!("the late pod ran: {:?}", ran.metadata.name))
        }));
        let uid = made(&self.detour.release());
        self.stage
            .until_all("the late pod is gone", |scene| scene.seen.contains_key(&uid) && !scene.pods.contains_key(&uid))
            .await;
        assert!(met.load(Ordering::Relaxed), "the two were there side by side");
        self.stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
        assert_eq!(before, ["scout", "relay"].map(|name| self.stage.uid(name)), "nobody else notices");
        self.stage.look(|mission| assert_eq!(mission.pods().len(), 2));
    }
}

/// The UID of the pod that was made.
fn made(landed: &Landed) -> String {
    assert_eq!(landed.status, 201, "{landed:?}");
    landed.words[1].clone()
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_create_that_lands_after_its_sender_died_makes_no_second_agent() {
    let mut haunted = Haunted::begin("ghost").await;

    // Before the next leader comes to make the pod: it is the agent.
    haunted.both_die(2).await;
    let uid = made(&haunted.detour.release());
    haunted.alive(2).await;
    assert_eq!(haunted.stage.uid("scout"), uid, "it was waited for");

    // When the next leader has made the pod itself: there is one of that name.
    haunted.both_die(3).await;
    haunted.detour.pass();
    haunted.alive(3).await;
    let uid = haunted.stage.uid("scout");
    let landed = haunted.detour.release();
    assert_eq!((landed.status, landed.words[0].as_str()), (409, "AlreadyExists"), "{landed:?}");

    // When that pod has come and gone as well, so that its name is free, and the agent is another one.
    assert_eq!(haunted.stage.uid("scout"), uid);
    haunted.both_die(4).await;
    haunted.detour.pass();
    haunted.alive(4).await;
    haunted.stage.tell("scout", "crash");
    haunted.alive(5).await;
    haunted.lands_beside().await;

    haunted.stage.look(|mission| {
        let scout = mission.agent("scout");
        assert_eq!((scout.attempt, scout.deaths, scout.revived), (5, 4, 4), "each death was one, and the late pod's end none");
    });
    assert_eq!(haunted.stage.look_at_all(|scene| scene.seen.len()), 7, "five of scout, one of relay, and the late one");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_create_of_a_mission_that_was_deleted_lands_beside_its_successor_and_starts_nothing() {
    let mut haunted = Haunted::begin("ghostcell").await;
    haunted.both_die(2).await;
    haunted.stage.api::<MissionCell>().delete(CELL, &DeleteParams::default()).await.unwrap();
    haunted.stage.until_all("it is all gone", |scene| scene.cells.is_empty() && scene.pods.is_empty()).await;
    haunted.make().await;
    haunted.lands_beside().await;
    haunted.stage.look(|mission| {
        let scout = mission.agent("scout");
        assert_eq!((scout.attempt, scout.deaths, scout.revived), (1, 0, 0));
    });
}
