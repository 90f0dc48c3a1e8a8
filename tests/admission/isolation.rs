//! No pod of an agent is less isolated than its label says, whoever made it: the operator, or a webhook behind its back.

use futures::StreamExt;
use futures::stream::iter;
use lazarus::api::Isolation;
use serde_json::{Value, json};

use super::lab::{Answer, Namespace, User, assert_refused, eventually, install, is_ruled_out};
use super::support::random::{Dice, Manifest};
use super::support::{cel, good, harm};

/// Requests under way at the same time.
const AT_ONCE: usize = 8;
/// Of all pairs of harms, this many; with the step between them prime, so that they are spread.
const PAIRS: usize = 400;
const STEP: usize = 7919;
/// Random manifests.
const RANDOM: u64 = 500;

/// The operator, who alone may make such pods, and where they would be made.
async fn start(test: &str) -> (User, User, Namespace) {
    install().await;
    let (admin, operator) = (User::admin().await, User::operator().await);
    let namespace = Namespace::new(&admin, test).await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}});
    admin.create(&namespace.core("serviceaccounts"), &account).await.unwrap();
    eventually("the rights of the operator", || operator.may(&namespace.0, "create", "", "pods")).await;
    let dry = namespace.core("pods?dryRun=All");
    // One that each of the policies has to refuse: they come into force one by one.
    for (level, harmed) in Isolation::ALL.map(|level| (level, harm::table().into_iter().find(|harm| harm.level() == level))) {
        let pod = harmed.and_then(|harm| harm.done_to(good::pod("probe", level))).unwrap();
        eventually("the rules about isolation", || async { is_ruled_out(&operator.create(&dry, &pod).await) }).await;
    }
    (admin, operator, namespace)
}

fn lacks(predicate: &str, from: Isolation) -> String {
    format!("the pod lacks \"{predicate}\" of {from}: ")
}

async fn sent(operator: &User, namespace: &Namespace, pod: &Value) -> Answer {
    operator.create(&namespace.core("pods?dryRun=All"), pod).await
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn good_pods_are_admitted() {
    let (_, operator, namespace) = start("isolation-good").await;
    for level in Isolation::ALL {
        let answer = sent(&operator, &namespace, &good::pod("good", level)).await;
        assert!(answer.is_ok(), "{level}: {answer:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_level_is_said_and_known() {
    let (_, operator, namespace) = start("isolation-level").await;
    let says = "the pod of an agent says with the label lazarus-pit.io/level how far it is isolated";
    for level in [Value::Null, json!(""), json!("Level4"), json!("level1")] {
        let mut pod = good::pod("agent", Isolation::Level3);
        match level {
            Value::Null => drop(pod["metadata"]["labels"].as_object_mut().unwrap().remove("lazarus-pit.io/level")),
            level => pod["metadata"]["labels"]["lazarus-pit.io/level"] = level,
        }
        assert_refused(operator.create(&namespace.core("pods?dryRun=All"), &pod).await, 403, says);
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn whatever_a_pod_lacks_is_named() {
    let (_, operator, namespace) = start("isolation-one").await;
    for harm in harm::table() {
        println!("{}", harm.shown());
        let answer = sent(&operator, &namespace, &harm.done_to(good::pod("harmed", harm.level())).unwrap()).await;
        if harm.valid {
            assert_refused(answer, 403, &lacks(harm.lacks, harm.level()));
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn whoever_lacks_two_is_told_of_one_of_them() {
    let (_, operator, namespace) = start("isolation-two").await;
    let harms: Vec<_> = harm::table().into_iter().filter(|harm| harm.valid).collect();
    let pairs: Vec<_> = harms
        .iter()
        .enumerate()
        .flat_map(|(at, first)| harms.iter().skip(at + 1).map(move |second| (first, second)))
        .filter(|(first, second)| first.lacks != second.lacks)
        .collect();
    let chosen = (0..PAIRS.min(pairs.len())).map(|at| pairs[at * STEP % pairs.len()]);
    let (operator, namespace) = (&operator, &namespace);
    let asked = iter(chosen).map(|(first, second)| async move {
        let level = first.level().max(second.level());
        // Where the one removed what the other would change there is no pair.
        let pod = first.done_to(good::pod("harmed", level)).and_then(|pod| second.done_to(pod))?;
        // What is harm at one level may be more at a higher one; which policy speaks first is not said.
        let exact = cel::lacks(&pod, level).iter().all(|lack| [first.lacks, second.lacks].contains(lack));
        if !exact {
            return None;
        }
        Some((first, second, sent(operator, namespace, &pod).await))
    });
    let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    let mut named = 0;
    for (first, second, answer) in answers {
        let both = format!("{} and {}", first.shown(), second.shown());
        let Err(refusal) = answer else { panic!("was done: {both}") };
        // Some pairs are no valid pods: that comes first.
        if refusal.code != 422 {
            let told = [first, second].iter().any(|harm| refusal.message.contains(&lacks(harm.lacks, harm.level())));
            assert!(told, "{both}: {refusal:?}");
            named += 1;
        }
    }
    println!("{named} pairs were refused by name");
    assert!(named >= 200, "only {named} pairs were refused by name");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_pod_stays_as_it_was_admitted() {
    let (admin, operator, namespace) = start("isolation-update").await;
    operator.create(&namespace.core("pods"), &good::pod("agent", Isolation::Level1)).await.unwrap();
    let theirs = namespace.core("pods/agent");
    let stays = "the pod of an agent stays as it was made, without ephemeral containers and of its size: change `spec` of its MissionCell";
    let master = User::master("system:serviceaccount:lazarus-pit:lazarus-operator").await;
    // A master with the operator's name: no right and no other rule is in the way.
    for user in [&admin, &master] {
        let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "registry.invalid/other:1"}]);
        assert_refused(user.patch(&theirs, image).await, 403, stays);
        let deadline = json!({"spec": {"activeDeadlineSeconds": 5}});
        assert_refused(user.merge(&theirs, deadline).await, 403, stays);
        let toleration = json!([{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}]);
        assert_refused(user.patch(&theirs, toleration).await, 403, stays);
        let debugger = json!({"spec": {"ephemeralContainers": [{"name": "debugger", "image": "registry.invalid/debug:1"}]}});
        assert_refused(user.merge(&format!("{theirs}/ephemeralcontainers"), debugger).await, 403, stays);
        let size = ["requests", "limits"]
            .map(|side| json!({"op": "replace", "path": format!("/spec/containers/0/resources/{side}/cpu"), "value": "900m"}));
        let size = json!(size);
        assert_refused(user.patch(&format!("{theirs}/resize"), size).await, 403, stays);
    }
    for (label, value) in [("level", json!("None")), ("level", Value::Null), ("cell", json!("two")), ("cell", Value::Null)] {
        for path in [theirs.clone(), format!("{theirs}/status")] {
            let change = json!({"metadata": {"labels": {format!("lazarus-pit.io/{label}"): value}}});
            let kept = format!("the label lazarus-pit.io/{label} of an agent's pod stays as it was set");
            assert_refused(master.merge(&path, change.clone()).await, 403, &kept);
            assert_refused(admin.merge(&path, change).await, 403, "lazarus-pit.io/");
        }
    }
    // What happens in a pod's life goes on.
    admin.merge(&theirs, json!({"metadata": {"labels": {"team": "day"}}})).await.unwrap();
    let target = json!({"apiVersion": "v1", "kind": "Node", "name": "not-there"});
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "agent"}, "target": target});
    admin.create(&format!("{theirs}/binding"), &binding).await.unwrap();
    let condition = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Test"}]}});
    admin.merge(&format!("{theirs}/status"), condition).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_operator_sees_whether_the_rules_are_in_force() {
    let (_, operator, _namespace) = start("isolation-rules").await;
    assert_eq!(operator.unchecked().await, None);
}

/// Half of the pods of random manifests are harmed at random: the API server finds the same as the evaluation without it.
#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_api_server_agrees_about_random_manifests() {
    let (_, operator, namespace) = start("isolation-random").await;
    let harms: Vec<_> = harm::table().into_iter().filter(|harm| harm.valid).collect();
    let (operator, namespace, harms) = (&operator, &namespace, &harms);
    let asked = iter(0..RANDOM).map(|number| async move {
        let mut dice = Dice(number);
        let level = Isolation::ALL[usize::try_from(dice.below(4)).unwrap()];
        let manifest = Manifest::new(&mut dice, level);
        let mut pod = manifest.pod(level);
        let harms: Vec<_> = harms.iter().filter(|harm| harm.level() <= level).collect();
        pod["metadata"]["namespace"] = json!(namespace.0);
        if number % 2 == 1 {
            let chosen = &harms[usize::try_from(dice.below(harms.len() as u64)).unwrap()];
            pod = chosen.done_to(pod.clone()).unwrap_or(pod);
        }
        (number, cel::lacks(&pod, level), operator.create(&namespace.core("pods?dryRun=All"), &pod).await)
    });
    let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    let (mut admitted, mut refused) = (0, 0);
    for (number, lacks, answer) in answers {
        match answer {
            Ok(_) if lacks.is_empty() => admitted += 1,
            Err(refusal) if lacks.iter().any(|lack| refusal.message.contains(&format!("lacks \"{lack}\" of "))) => refused += 1,
            // No valid pod, whatever its level.
            Err(refusal) if !lacks.is_empty() && refusal.code == 422 => {}
            answer => panic!("{number}: {lacks:?}, but {answer:?}"),
        }
    }
    println!("{admitted} admitted, {refused} refused");
    assert!(admitted >= 200 && refused >= 50, "{admitted} admitted, {refused} refused");
}
