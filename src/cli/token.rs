//! `lazarus token`.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::PostParams;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cluster::{Cluster, Connection, Failure};
use super::outcome::span;
use super::output::{Output, when};
use crate::api::{MissionCell, external, names};
use crate::pulse::folder;
use crate::runtime::clock::{Clock, SystemClock};

/// Make a token with which an agent that runs elsewhere reports
///
/// It is good for the agent's present incarnation alone. Needs the right to make tokens of the ServiceAccount
/// MISSION-external: `create` on `serviceaccounts/token`.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The mission
    #[arg(value_name = "MISSION")]
    mission: String,

    /// Its agent
    #[arg(value_name = "AGENT")]
    agent: String,

    /// How long the token lasts, at least 10m; the API server may have another limit
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = span)]
    duration: Duration,

    /// Write what `beat --folder` needs to this folder instead: `token`, `address` and `ca.crt`
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Where the agent reaches the gateway [default: its address within the cluster]
    #[arg(long, value_name = "HOST:PORT", requires = "folder", value_parser = address)]
    address: Option<String>,

    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    output: Output,
}

/// A token that was made.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    /// Namespace of the mission.
    namespace: String,
    /// The mission.
    mission: String,
    /// The agent.
    agent: String,
    /// Number of the incarnation that the token is for.
    attempt: i64,
    /// What the token is made for.
    audience: String,
    /// When it ends.
    expires_at: Time,
    /// The token; absent where it was written to a folder.
    token: Option<String>,
    /// The folder.
    folder: Option<String>,
}

/// The incarnation that a token is made for.
struct Incarnation {
    account: String,
    audience: String,
    attempt: i64,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let cluster = self.connection.open(program).await?;
        let cell = cluster.ask(cluster.objects::<MissionCell>().get(&self.mission)).await;
        let cell = cell.map_err(|failure| cluster.about(failure, "mission", &self.mission))?;
        let incarnation = incarnation(&cluster, &cell, &self.agent)?;
        // What can fail without a trace comes before the token.
        let place = match &self.folder {
            Some(folder) => Some((folder, place(&cluster, self.address.as_deref()).await?)),
            None => None,
        };
        let (token, expires_at) = make(&cluster, &incarnation, self.duration).await?;
        let mut made = Made {
            namespace: cluster.namespace.clone(),
            mission: self.mission,
            agent: self.agent,
            attempt: incarnation.attempt,
            audience: incarnation.audience,
            expires_at,
            token: None,
            folder: None,
        };
        if let Some((folder, [address, bundle])) = place {
            let files = [(names::GATEWAY_ADDRESS_KEY, &address), (names::GATEWAY_BUNDLE_KEY, &bundle), (folder::TOKEN, &token)];
            write(folder, files).map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
            made.folder = Some(folder.display().to_string());
        } else {
            made.token = Some(token);
        }
        self.output.write(&made, text)
    }
}

fn text(made: &Made) -> String {
    let Made { agent, attempt, expires_at, token, folder, .. } = made;
    match (token, folder) {
        (Some(token), _) => format!("{token}\n"),
        (None, folder) => format!(
            "wrote token, address and ca.crt to {}: for incarnation {attempt} of {agent}, until {}\n",
            folder.as_deref().unwrap_or_default(),
            when(expires_at, SystemClock.now())
        ),
    }
}

/// The agent's committed incarnation; an error where a token would be good for nothing.
fn incarnation(cluster: &Cluster, cell: &MissionCell, agent: &str) -> Result<Incarnation, Error> {
    let name = cell.name_any();
    let Some(spec) = cell.spec.agents.iter().find(|spec| spec.name == agent) else {
        let all: Vec<_> = cell.spec.agents.iter().map(|spec| spec.name.as_str()).collect();
        return Err(format!("{name} has no agent {agent}: it has {}", all.join(", ")).into());
    };
    if spec.external.is_none() {
        return Err(format!("{agent} runs in a pod, where its sidecar reports: only an agent with `external` has a token").into());
    }
    let status = cell.status.iter().flat_map(|status| &status.agents).find(|status| status.name == agent);
    if let Some(holder) = status.and_then(|status| status.holder.as_ref()) {
        return Err(format!("{holder} has taken over the part of {agent}, whose reports are refused: it has to stop").into());
    }
    let (account, attempt) = (external::account(&name), status.map_or(0, |status| status.attempt));
    let audience = external::audience(&cell.uid().unwrap_or_default(), agent, attempt);
    let uid = external::uid(&cluster.namespace, &account, &audience);
    if status.and_then(|status| status.pod_uid.as_ref()) != Some(&uid) {
        let see = cluster.command(&format!("explain {name} {agent}"));
        return Err(format!("{agent} has no incarnation yet that could report: {see} shows what it waits for").into());
    }
    Ok(Incarnation { account, audience, attempt })
}

/// Address and authorities of the gateway, as the operator tells them to the namespace.
async fn place(cluster: &Cluster, given: Option<&str>) -> Result<[String; 2], Error> {
    let found = match cluster.ask(cluster.objects::<ConfigMap>().get(names::GATEWAY)).await {
        Ok(found) => found.data.unwrap_or_default(),
        Err(Failure::NotFound) => BTreeMap::new(),
        Err(failure) => return Err(format!("ConfigMap {}: {failure}", names::GATEWAY).into()),
    };
    let key = |key: &str| {
        found.get(key).cloned().ok_or_else(|| {
            let (map, namespace) = (names::GATEWAY, &cluster.namespace);
            format!("ConfigMap {map} in namespace {namespace} has no `{key}` yet: the operator writes it; does it run?")
        })
    };
    let address = given.map_or_else(|| key(names::GATEWAY_ADDRESS_KEY), |address| Ok(address.to_owned()))?;
    Ok([address, key(names::GATEWAY_BUNDLE_KEY)?])
}

async fn make(cluster: &Cluster, incarnation: &Incarnation, duration: Duration) -> Result<(String, Time), Error> {
    let Incarnation { account, audience, attempt: _ } = incarnation;
    let spec = TokenRequestSpec {
        audiences: Some(vec![audience.clone()]),
        expiration_seconds: i64::try_from(duration.as_secs()).ok(),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let (accounts, namespace) = (cluster.objects::<ServiceAccount>(), &cluster.namespace);
    let parameters = PostParams::default();
    let made = cluster.ask(accounts.create_token_request(account, &parameters, &request)).await;
    let made = made.map_err(|failure| match failure {
        Failure::NotFound => {
            let command = format!("kubectl create serviceaccount {account} -n {namespace}");
            format!(
                "there is no ServiceAccount {account} in namespace {namespace}: if somebody deleted it, `{command}` makes it again"
            )
        }
        Failure::Forbidden(message) => format!(
            "you may not make tokens of ServiceAccount {account}: {message}; ask for `create` on `serviceaccounts/token` \
             in namespace {namespace}"
        ),
        failure => format!("a token of ServiceAccount {account}: {failure}"),
    })?;
    let made = made.status.and_then(|status| Some((status.token?, status.expiration_timestamp?)));
    Ok(made.ok_or("the API server's answer holds no token")?)
}

/// Each file is replaced as a whole, as whoever reports may read it at any time.
fn write(folder: &Path, files: [(&str, &String); 3]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for (name, content) in files {
        let new = folder.join(format!(".{name}.new"));
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, folder.join(name))?;
    }
    Ok(())
}

fn address(text: &str) -> Result<String, String> {
    if folder::is_address(text) { Ok(text.to_owned()) } else { Err("an address is HOST:PORT, such as 203.0.113.7:443".into()) }
}
