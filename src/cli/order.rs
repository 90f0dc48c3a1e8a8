//! What `revive` and `substitute` share: a person's order, as a RevivalRequest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::ResourceExt;
use kube::api::PostParams;

use super::Error;
use super::cluster::{Cluster, Connection, Failure};
use super::outcome::{self, Decided, Outcome, Waiting};
use super::output::Output;
use super::standing::standing;
use super::view;
use crate::api::conditions::Reason;
use crate::api::{
    AgentState, AgentStatus, CellReference, DecisionVerdict, LastEnd, MissionCell, OnTimeout, Outcome as End, RequestIncident,
    RequestOption, RequestVerb, RevivalRequest, RevivalRequestSpec, names,
};
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::time::to_time;

/// How an order is given.
#[derive(clap::Args)]
pub(super) struct Order {
    /// What you say about it, at most 1024 characters
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// Let the API server check the order, but not store it
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    output: Output,
}

/// Makes the request and waits for what becomes of it.
pub(super) async fn give(
    program: &'static str,
    mission: &str,
    agents: &[String],
    verb: RequestVerb,
    option: &RequestOption,
    order: &Order,
) -> Result<(), Error> {
    if order.message.as_ref().is_some_and(|message| message.chars().count() > 1024) {
        return Err("--message is too long: at most 1024 characters".into());
    }
    let shutdown = Shutdown::on_signals()?;
    let cluster = order.connection.open(program).await?;
    let prepared = async {
        let (cell, requests) = view::mission(&cluster, mission).await?;
        let user = cluster.user().await?;
        request(&cluster, &cell, &requests, agents, verb, option, user)
    };
    let mut request = tokio::select! {
        prepared = prepared => prepared?,
        () = shutdown.requested() => return Err("interrupted: nothing was ordered".into()),
    };
    request.spec.comment.clone_from(&order.message);
    // From here on it is waited for: it is ordered or not, never half.
    let created = create(&cluster, &request, order.dry_run).await?;
    let name = created.name_any();
    let count = if request.spec.quorum > 1 { format!(", 1 of {} approvals", request.spec.quorum) } else { String::new() };
    let message = format!("ordered: {option} {}{count}", agents.join(", "));
    let mut decided = Decided::of(&created, DecisionVerdict::Approve, Some(option.to_string()), message);
    if order.dry_run {
        decided.outcome = Outcome::DryRun;
        decided.message = format!("would be {} (dry run, nothing was written)", decided.message);
    }
    order.output.tell(&format!("{name}: {}", decided.message));
    let mut results = vec![decided];
    if !order.dry_run {
        outcome::wait(&cluster, &order.waiting, order.output, &shutdown, &mut results).await;
    }
    outcome::finish(order.output, results)
}

async fn create(cluster: &Cluster, request: &RevivalRequest, dry_run: bool) -> Result<RevivalRequest, Error> {
    let (api, name) = (cluster.objects::<RevivalRequest>(), request.name_any());
    let parameters = PostParams { dry_run, field_manager: Some("kubectl-lazarus".into()) };
    match cluster.ask(api.create(&parameters, request)).await {
        Ok(created) => Ok(created),
        // The answer to an earlier try may have been lost.
        Err(failure) if failure.is_uncertain() || matches!(failure, Failure::Exists) => {
            let stored = cluster.ask(api.get(&name)).await.ok().filter(|stored| stored.spec == request.spec);
            stored.ok_or_else(|| cluster.about(failure, "order", &name))
        }
        Err(Failure::Forbidden(message)) => Err(format!(
            "you ({}) may not order this: {message}; ask for the role lazarus-approve in namespace {}",
            request.spec.requested_by.as_deref().unwrap_or_default(),
            cluster.namespace
        )
        .into()),
        Err(failure) => Err(cluster.about(failure, "order", &name)),
    }
}

/// The request, if there is something to order.
fn request(
    cluster: &Cluster,
    cell: &MissionCell,
    requests: &[RevivalRequest],
    agents: &[String],
    verb: RequestVerb,
    option: &RequestOption,
    user: String,
) -> Result<RevivalRequest, Error> {
    let (name, uid) = (cell.name_any(), cell.uid().unwrap_or_default());
    let mut incidents = Vec::new();
    for agent in agents {
        if incidents.iter().any(|incident: &RequestIncident| incident.agent == *agent) {
            return Err(format!("{agent} is named twice").into());
        }
        let incident = incident(cell, agent, verb)?;
        if let Some(asked) = asked(requests, cell, &incident, option) {
            let command = cluster.command(&format!("approve {asked} --option {option}"));
            return Err(format!("{asked} asks about {agent} already: {command}").into());
        }
        incidents.push(incident);
    }
    if let RequestOption::Substitute(Some(other)) = option {
        if !cell.spec.agents.iter().any(|spec| spec.name == *other) {
            return Err(format!("{name} has no agent {other}: it has {}", listed(cell)).into());
        }
        if agents.contains(other) {
            return Err(format!("{other} can't take over its own part").into());
        }
    }
    let now = to_time(SystemClock.now());
    let policy = cell.status.as_ref().and_then(|status| status.effective_policy.as_ref());
    let quorum = policy.map_or(1, |policy| policy.approval.quorum).max(1);
    let pods: Vec<_> = incidents.iter().map(|incident| incident.pod_uid.as_str()).collect();
    let hash = names::short_hash(&format!("{uid}/{option}/{}/{user}/{}", pods.join("/"), now.0), 8);
    let word = match verb {
        RequestVerb::Revive => "revive",
        RequestVerb::Substitute => "substitute",
    };
    let spec = RevivalRequestSpec {
        cell_ref: CellReference { name: name.clone(), uid: uid.clone() },
        verb,
        incidents,
        options: vec![option.to_string()],
        requested_at: now,
        expires_at: None,
        on_timeout: OnTimeout::Wait,
        quorum,
        requested_by: Some(user),
        comment: None,
    };
    let mut request = RevivalRequest::new(&format!("{name}-{word}-{hash}"), spec);
    // It goes with its mission.
    request.metadata.owner_references = Some(vec![OwnerReference {
        api_version: MissionCell::api_version(&()).into(),
        kind: MissionCell::kind(&()).into(),
        name,
        uid,
        controller: Some(true),
        block_owner_deletion: Some(false),
    }]);
    Ok(request)
}

/// The open request that asks the same about this incarnation.
fn asked(requests: &[RevivalRequest], cell: &MissionCell, incident: &RequestIncident, option: &RequestOption) -> Option<String> {
    let its = |other: &RequestIncident| other.agent == incident.agent && other.pod_uid == incident.pod_uid;
    let found = requests.iter().find(|request| {
        let offers = request.spec.options.contains(&option.to_string());
        view::is_about(request, cell) && standing(request).is_open() && offers && request.spec.incidents.iter().any(its)
    });
    found.map(ResourceExt::name_any)
}

/// The dead incarnation of an agent; an error where it isn't dead.
fn incident(cell: &MissionCell, agent: &str, verb: RequestVerb) -> Result<RequestIncident, Error> {
    let name = cell.name_any();
    let status = cell.status.iter().flat_map(|status| &status.agents).find(|status| status.name == agent);
    let known = cell.spec.agents.iter().any(|spec| spec.name == agent);
    let status = match (status, known) {
        (Some(status), true) => status,
        (None, true) => return Err(format!("no operator has seen {agent} yet: is it running?").into()),
        (_, false) => return Err(format!("{name} has no agent {agent}: it has {}", listed(cell)).into()),
    };
    let nothing = match verb {
        RequestVerb::Revive => "nothing to revive",
        RequestVerb::Substitute => "nothing to substitute",
    };
    // An end of an earlier incarnation says nothing about the current one.
    let end = status.last_end.as_ref().filter(|end| Some(&end.pod_uid) == status.pod_uid.as_ref());
    let ended = end.is_some_and(|end| matches!(end.outcome, End::Died | End::Disrupted));
    // Its process may run.
    let given_up = matches!(
        status.reason,
        Some(Reason::AwaitingApproval | Reason::Denied | Reason::RevivalSuppressed | Reason::AttemptsExhausted)
    );
    if !ended && !given_up {
        let why = match status.state {
            AgentState::Alive => "is alive".into(),
            AgentState::Done => "is done".into(),
            AgentState::Standby => "is a standby, which takes over when it is needed".into(),
            AgentState::Pending | AgentState::Starting => "is starting already".into(),
            AgentState::Stale | AgentState::Waiting | AgentState::Dead => format!("is not known to be dead{}", why(status)),
        };
        return Err(format!("{agent} {why}; {nothing}").into());
    }
    let pod_uid = status.pod_uid.clone().ok_or_else(|| format!("{agent} has never run; {nothing}"))?;
    // Of one whose process runs there is no end; the rule says what it is taken for.
    let ruled = || status.verdict.as_ref().map(|verdict| verdict.rule.to_string());
    let ruled = || ruled().filter(|rule| LastEnd::VERDICTS.iter().any(|verdict| verdict.as_str() == rule));
    let cause = end.map(|end| end.cause.clone()).or_else(ruled).or(status.reason.map(|reason| reason.to_string()));
    Ok(RequestIncident {
        agent: agent.into(),
        pod_uid,
        cause: cause.unwrap_or_else(|| "Unknown".into()),
        exit_code: end.and_then(|end| end.exit_code),
        attempts: status.deaths,
        node: status.node.clone(),
        at: end.map(|end| end.at.clone()).or(status.since.clone()),
    })
}

fn why(status: &AgentStatus) -> String {
    let reason = status.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let message = status.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    format!("{reason}{message}")
}

fn listed(cell: &MissionCell) -> String {
    cell.spec.agents.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ")
}
