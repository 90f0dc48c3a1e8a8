//! People who decide: users with and without the right to approve, and the program they use.

use std::process::Command;

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use kube::ResourceExt;
use kube::api::{ListParams, ObjectMeta, PostParams};
use lazarus::api::{AgentPolicySpec, Approval, RevivalRequest, Revive};

use super::mission::quick;
use super::stage::soon;
use super::{Stage, lab};

/// A policy that asks a person about every death.
pub fn asking() -> AgentPolicySpec {
    AgentPolicySpec { revive: Some(Revive::Ask), on_exhausted: None, ..quick(3) }
}

/// The same, with these terms.
pub fn asking_with(approval: Approval) -> AgentPolicySpec {
    AgentPolicySpec { approval: Some(approval), ..asking() }
}

impl Stage {
    /// Gives users a role in the namespace.
    pub async fn allow(&self, role: &str, users: &[&str]) {
        let subject = |user: &&str| Subject {
            kind: "User".into(),
            name: (*user).into(),
            api_group: Some("rbac.authorization.k8s.io".into()),
            namespace: None,
        };
        let binding = RoleBinding {
            metadata: ObjectMeta { name: Some(format!("test-{role}")), ..ObjectMeta::default() },
            role_ref: RoleRef {
                api_group: Some("rbac.authorization.k8s.io".into()),
                kind: "ClusterRole".into(),
                name: role.into(),
            },
            subjects: Some(users.iter().map(subject).collect()),
        };
        self.api::<RoleBinding>().create(&PostParams::default(), &binding).await.unwrap();
        // The authorizer follows by watches.
        for user in users {
            let can = ["auth", "can-i", "list", "revivalrequests.lazarus-pit.io", "--as", user];
            soon("the role is in force", async || self.kubectl(&can).is_ok()).await;
        }
    }

    /// The same, where somebody may have done so before.
    pub async fn allow_once(&self, role: &str, users: &[&str]) {
        if self.api::<RoleBinding>().get_opt(&format!("test-{role}")).await.unwrap().is_none() {
            self.allow(role, users).await;
        }
    }

    /// Runs `lazarus` as a user: what it prints, or what it prints and complains of.
    pub fn person(&self, user: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(user, arguments).output().unwrap();
        let [printed, complaint] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let said = format!("{printed}{complaint}");
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// The same, not run yet.
    pub fn command(&self, user: &str, arguments: &[&str]) -> Command {
        let (kubeconfig, namespace) = (lab::folder().join("kubeconfig"), self.namespace.as_str());
        let mut command = Command::new(env!("CARGO_BIN_EXE_lazarus"));
        command.args(arguments).args(["--namespace", namespace, "--as", user, "--kubeconfig"]).arg(kubeconfig);
        command
    }

    /// All requests of the namespace, the oldest first.
    pub async fn requests(&self) -> Vec<RevivalRequest> {
        let mut requests = self.api::<RevivalRequest>().list(&ListParams::default()).await.unwrap().items;
        requests.sort_by_key(|request| (request.metadata.creation_timestamp.clone(), request.name_any()));
        requests
    }

    /// Waits until the only request that this is true of exists.
    pub async fn request(&self, what: &str, is_it: impl Fn(&RevivalRequest) -> bool) -> RevivalRequest {
        let mut found = Vec::new();
        soon(what, async || {
            found = self.requests().await.into_iter().filter(|request| is_it(request)).collect();
            !found.is_empty()
        })
        .await;
        assert_eq!(found.len(), 1, "{what}: {found:#?}");
        found.remove(0)
    }

    /// Waits until an agent's death is put before people.
    pub async fn asked_about(&self, agent: &str) -> RevivalRequest {
        let what = format!("a person is asked about {agent}");
        let pending = |request: &RevivalRequest| {
            decision(request) == "Pending" && request.spec.incidents.iter().any(|incident| incident.agent == agent)
        };
        self.request(&what, pending).await
    }

    /// Waits until a request stands like this.
    pub async fn comes_to(&self, name: &str, wanted: &str) -> RevivalRequest {
        self.request(&format!("{name} is {wanted}"), |request| request.name_any() == name && decision(request) == wanted).await
    }
}

/// Where a request stands, in one word.
pub fn decision(request: &RevivalRequest) -> &str {
    let summary = request.status.as_ref().and_then(|status| status.summary.as_ref());
    summary.map_or("", |summary| summary.decision.as_str())
}
