//! The operator has each right that it uses and uses each right that it has: `make e2e-rights`, after the tests that make it
//! use them. Take a rule away from the installation, and this test fails.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::Api;
use serde::Deserialize;
use support::{lab, operator};

#[path = "lab/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with tests/lab, and each uses its part")]
mod support;

/// Rights that no request in the lab's audit log can show, and why they are needed.
const UNSEEN: [(&str, &str); 2] = [
    // Asked for by the admission plugin OwnerReferencesPermissionEnforcement, which clusters may have and the lab has not.
    ("update lazarus-pit.io/missioncells/finalizers", "an owner reference that blocks deletion"),
    // The lab has IPv4 alone.
    ("discovery.k8s.io/endpointslices lazarus-gateway-v6", "a cluster with IPv6"),
];

/// The part of an audit.k8s.io/v1 Event that tells which right was used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    impersonated_user: Option<User>,
    object_ref: Option<Object>,
    response_status: Option<Answer>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What the API server writes down about each request.
const DECISION: &str = "authorization.k8s.io/decision";

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Object {
    api_group: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Deserialize)]
struct Answer {
    code: u16,
}

/// Others may act in its name; only what it did itself counts.
fn is_its_own(event: &Event) -> bool {
    event.user.username == operator::USER && event.impersonated_user.is_none()
}

/// What one request needed: `get lazarus-pit.io/missioncells watch`; with and without the object's name.
fn used(event: &Event) -> Vec<String> {
    let own = is_its_own(event);
    let Some(code) = event.response_status.as_ref().map(|answer| answer.code).filter(|code| own && *code < 400) else {
        return Vec::new();
    };
    let Some(object) = &event.object_ref else {
        let path = event.request_uri.split('?').next().unwrap_or_default();
        return vec![format!("{} {path}", event.verb)];
    };
    let resource = resource(&object.api_group, &object.resource, &object.subresource);
    // A patch that made its object needed the right to create it as well.
    let made = (event.verb == "patch" && code == 201).then_some("create");
    let verbs = [Some(event.verb.as_str()), made];
    verbs
        .into_iter()
        .flatten()
        .flat_map(|verb| [format!("{verb} {resource}"), format!("{verb} {resource} {}", object.name)])
        .collect()
}

fn resource(group: &str, resource: &str, subresource: &str) -> String {
    let whole = if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
    if group.is_empty() { whole } else { format!("{group}/{whole}") }
}

/// The operator's requests for which it had no right, but for the time in which a test has taken its rights away.
fn refused(events: &[Event]) -> BTreeSet<String> {
    let (mut refused, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let code = event.response_status.as_ref().map_or(0, |answer| answer.code);
        let object = event.object_ref.as_ref().filter(|object| object.api_group == "rbac.authorization.k8s.io");
        match (object, event.verb.as_str(), code) {
            (Some(object), "delete", 200..400) if object.name == operator::NAME => {
                taken.insert(&object.resource);
            }
            (Some(object), _, 201) if object.name == operator::NAME => {
                taken.remove(&object.resource);
            }
            _ if is_its_own(event)
                && event.annotations.get(DECISION).is_some_and(|found| found == "forbid")
                && taken.is_empty() =>
            {
                refused.insert(format!("{} {}", event.verb, event.request_uri));
            }
            _ => (),
        }
    }
    refused
}

/// Each single right of a rule, in the same words.
fn given(rule: &PolicyRule) -> Vec<String> {
    let list = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let names = match list(&rule.resource_names) {
        names if names.is_empty() => vec![String::new()],
        names => names.into_iter().map(|name| format!(" {name}")).collect(),
    };
    let mut things = list(&rule.non_resource_urls);
    for group in list(&rule.api_groups) {
        for each in list(&rule.resources) {
            things.extend(names.iter().map(|name| format!("{}{name}", resource(&group, &each, ""))));
        }
    }
    rule.verbs.iter().flat_map(|verb| things.iter().map(move |thing| format!("{verb} {thing}"))).collect()
}

fn is_unseen(right: &str) -> bool {
    UNSEEN.iter().any(|(unseen, _)| right.ends_with(unseen))
}

#[tokio::test]
#[ignore = "needs the lab after its other tests: run make test"]
async fn the_operator_has_the_rights_that_it_uses_and_no_others() {
    let client = lab::client().await;
    let cluster = Api::<ClusterRole>::all(client.clone()).get(operator::NAME).await.unwrap().rules.unwrap();
    let own = Api::<Role>::namespaced(client, operator::NAMESPACE).get(operator::NAME).await.unwrap().rules.unwrap();
    let log = BufReader::new(std::fs::File::open(lab::folder().join("audit.log")).unwrap());
    // Most of the log is about others; a line that is still being written is no whole event.
    let its = log.lines().map(Result::unwrap).filter(|line| line.contains(operator::NAME));
    let events: Vec<Event> = its.filter_map(|line| serde_json::from_str(&line).ok()).collect();
    let used: BTreeSet<_> = events.iter().flat_map(used).collect();
    assert!(used.contains("list pods"), "the audit log has the operator's reads: {used:#?}");
    let rights: Vec<_> = cluster.iter().chain(&own).flat_map(given).collect();
    let idle: Vec<_> = rights.iter().filter(|right| !used.contains(*right) && !is_unseen(right)).collect();
    assert!(idle.is_empty(), "rights that the operator was given and never used: {idle:#?}");
    // So whichever rule is taken away, a request of the tests before is refused, and found here.
    let refused = refused(&events);
    assert!(refused.is_empty(), "requests for which the operator has no right: {refused:#?}");
    for (unseen, why) in UNSEEN {
        assert!(rights.iter().any(|right| right.ends_with(unseen)), "{unseen} ({why}) is no right any more: remove it here");
    }
    println!("{} rights, all of them used", rights.len());
}

#[test]
fn rights_and_requests_are_written_in_the_same_words() {
    let rule = |text: &str| serde_json::from_str::<PolicyRule>(text).unwrap();
    assert_eq!(
        given(&rule(r#"{"apiGroups":["","apps"],"resources":["a","b/status"],"verbs":["get"],"resourceNames":["x"]}"#)),
        ["get a x", "get b/status x", "get apps/a x", "get apps/b/status x"]
    );
    assert_eq!(given(&rule(r#"{"nonResourceURLs":["/openid/v1/jwks"],"verbs":["get"]}"#)), ["get /openid/v1/jwks"]);
    let event = |text: &str| used(&serde_json::from_str(text).unwrap());
    let user = format!(r#""user":{{"username":"{}"}}"#, operator::USER);
    let object = r#""objectRef":{"apiGroup":"apps","resource":"b","subresource":"status","name":"x"}"#;
    let of = |verb: &str, code: u16, more: &str| {
        event(&format!(r#"{{"verb":"{verb}","requestURI":"/openid/v1/jwks?a",{user},"responseStatus":{{"code":{code}}}{more}}}"#))
    };
    assert_eq!(of("get", 200, ""), ["get /openid/v1/jwks"]);
    assert_eq!(of("get", 200, &format!(",{object}")), ["get apps/b/status", "get apps/b/status x"]);
    assert_eq!(of("patch", 201, &format!(",{object}"))[2..], ["create apps/b/status", "create apps/b/status x"]);
    assert_eq!(of("get", 403, &format!(",{object}")), [""; 0]);

    let all = |lines: &[String]| refused(&lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>());
    let forbidden = format!(
        r#"{{"verb":"get","requestURI":"/a",{user},"responseStatus":{{"code":403}},"annotations":{{"{DECISION}":"forbid"}}}}"#
    );
    let change = |verb: &str, code: u16| {
        let object = format!(r#""apiGroup":"rbac.authorization.k8s.io","resource":"clusterroles","name":"{}""#, operator::NAME);
        format!(
            r#"{{"verb":"{verb}","requestURI":"/","user":{{"username":"a"}},"objectRef":{{{object}}},"responseStatus":{{"code":{code}}}}}"#
        )
    };
    assert!(all(&[change("delete", 200), forbidden.clone()]).is_empty(), "a test has taken its rights away");
    let back = [change("delete", 200), change("patch", 201), forbidden];
    assert_eq!(all(&back).into_iter().collect::<Vec<_>>(), ["get /a"]);
    assert_eq!(of("get", 200, &format!(r#",{object},"impersonatedUser":{{"username":"a"}}"#)), [""; 0]);
}
