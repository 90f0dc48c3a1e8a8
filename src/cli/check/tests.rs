//! Each check has a case in which all is well, and one in which it is not.

mod cases;
mod installation;
mod well;

use std::collections::BTreeSet;

use serde_json::json;

use self::cases::{labelled, missions, wrong};
use self::well::{all, mission, now, of, pre};
use super::finding::{Finding, Outcome};
use super::seen::{Installed, Look, Seen};
use super::{judge, text};

fn judged(seen: &Seen) -> Vec<Finding> {
    judge(seen, now(), &|namespace, name| format!("kubectl lazarus explain {name} -n {namespace}"))
}

#[test]
fn a_cluster_in_which_all_is_well_has_nothing_else_to_say() {
    for seen in [pre(), all()] {
        let findings = judged(&seen);
        let other: Vec<_> = findings.iter().filter(|finding| finding.outcome != Outcome::Ok).collect();
        assert!(other.is_empty(), "{other:#?}");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    for (seen, check, outcome, words) in wrong() {
        let findings = judged(&seen);
        let found = findings.iter().find(|finding| finding.check == check && finding.line().contains(words));
        let lines: String = findings.iter().map(Finding::line).collect();
        let found = found.unwrap_or_else(|| panic!("{check}: {words} is missing in\n{lines}"));
        assert_eq!(found.outcome, outcome, "{lines}");
        assert!(found.remedy.is_some(), "{lines}");
        let others = findings.iter().filter(|finding| finding.outcome == Outcome::Failed && finding.check != check);
        assert_eq!(others.count(), 0, "{check}: {words}: one thing is wrong, and others fail\n{lines}");
    }
}

#[test]
fn there_is_no_check_that_cannot_fail() {
    let fails: BTreeSet<_> = wrong().into_iter().map(|(_, check, _, _)| check.to_owned()).collect();
    let checks: BTreeSet<_> = [pre(), all()].iter().flat_map(judged).map(|finding| finding.check).collect();
    assert_eq!(checks.difference(&fails).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn what_is_hidden_is_no_failure() {
    let mut seen = all();
    let hide = || "no right to list nodes".to_owned();
    seen.before.nodes = Look::Hidden(hide());
    let Installed { policies, .. } = seen.installed.as_mut().unwrap();
    *policies = Look::Hidden(hide());
    seen.missions.as_mut().unwrap().cells = Look::Hidden(hide());
    let findings = judged(&seen);
    let hidden: Vec<_> = findings.iter().filter(|finding| finding.outcome != Outcome::Ok).collect();
    assert!(hidden.iter().all(|finding| finding.outcome == Outcome::NotLookedAt), "{hidden:#?}");
    assert!(hidden.iter().any(|finding| finding.line() == "skip  nodes: not looked at: no right to list nodes\n"), "{hidden:#?}");
    assert_eq!(hidden.len(), 4, "{hidden:#?}");
    let checked = super::Checked { checks: findings, failed: 0, warnings: 0 };
    assert!(text(&checked).ends_with(" ok, 0 warnings, 0 failed, 4 not looked at\n"), "{}", text(&checked));
}

#[test]
fn a_claim_that_has_its_volume_needs_no_default() {
    let claim = json!({ "metadata": { "name": "watch-workspace", "namespace": "missions" }, "status": { "phase": "Bound" } });
    let seen = missions(|found| (found.storage, found.claims) = (Look::Seen(Vec::new()), Look::Seen(vec![of(claim)])));
    assert!(judged(&seen).iter().all(|finding| finding.outcome == Outcome::Ok));
}

#[test]
fn claims_that_are_hidden_are_no_failure() {
    let hidden = Look::Hidden("no right to list persistentvolumeclaims".into());
    let seen = missions(|found| (found.storage, found.claims) = (Look::Seen(Vec::new()), hidden));
    let findings = judged(&seen);
    let other: Vec<_> = findings.iter().filter(|finding| finding.outcome != Outcome::Ok).map(Finding::line).collect();
    assert_eq!(other, ["skip  StorageClasses: not looked at: no right to list persistentvolumeclaims\n"]);
}

#[test]
fn a_mission_without_isolation_wants_the_label_that_its_pods_pass() {
    let mut seen = labelled(&json!({ "pod-security.kubernetes.io/enforce": "privileged" }));
    seen.missions.as_mut().unwrap().cells = Look::Seen(vec![of(mission("None")), of(mission("Level2"))]);
    let findings = judged(&seen);
    let found = findings.iter().find(|finding| finding.check == "Pod Security").unwrap();
    assert!(found.line().ends_with("pod-security.kubernetes.io/enforce=baseline --overwrite\n"), "{}", found.line());
}
