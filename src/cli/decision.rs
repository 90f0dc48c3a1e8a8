//! What `approve` and `deny` share: which requests are meant, one person's decision in each, and what became of it.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::Error;
use super::cluster::{Cluster, Connection, Failure};
use super::outcome::{self, Decided, Outcome, Waiting};
use super::output::Output;
use super::standing::{Standing, approvals, standing};
use crate::api::{Decision, DecisionVerdict, RevivalRequest};
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::time::to_time;

/// How often a decision is tried when others write at the same time.
const TRIES: usize = 10;
/// By which means decisions are made, as they say themselves.
const VIA: &str = "kubectl-lazarus";

/// The requests that are meant, and how.
#[derive(clap::Args)]
pub(super) struct Which {
    /// Requests by name; `cell/MISSION` or `cell/MISSION/AGENT`: those about a mission or an agent that wait for a decision
    #[arg(value_name = "REQUEST", required_unless_present = "all")]
    requests: Vec<String>,

    /// All requests of the namespace that wait for a decision
    #[arg(long, conflicts_with = "requests")]
    all: bool,

    /// With --all: only those with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", requires = "all", conflicts_with = "requests")]
    selector: Option<String>,

    /// What you say about it, at most 1024 characters
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// Let the API server check the decision, but not store it
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    output: Output,
}

/// What is decided.
pub(super) struct Choice {
    pub verdict: DecisionVerdict,
    pub option: Option<String>,
}

/// Writes the decision into each request, one after the other, and waits for what becomes of them.
pub(super) async fn decide(program: &'static str, which: &Which, choice: &Choice) -> Result<(), Error> {
    if which.message.as_ref().is_some_and(|message| message.chars().count() > 1024) {
        return Err("--message is too long: at most 1024 characters".into());
    }
    let shutdown = Shutdown::on_signals()?;
    let cluster = which.connection.open(program).await?;
    let prepared = async {
        let names = names(&cluster, which).await?;
        Ok::<_, Error>((names, cluster.user().await?))
    };
    let (names, user) = tokio::select! {
        prepared = prepared => prepared?,
        () = shutdown.requested() => return Err("interrupted: nothing was decided".into()),
    };
    if names.is_empty() {
        eprintln!("no request of namespace {} waits for a decision", cluster.namespace);
    }
    let mut results = Vec::new();
    for name in &names {
        // A decision that is under way is waited for: it is made or not, never half.
        if shutdown.is_requested() {
            results.push(Decided::failed(name, "interrupted: not decided"));
            continue;
        }
        let decided =
            one(&cluster, name, &user, which, choice).await.unwrap_or_else(|error| Decided::failed(name, &error.to_string()));
        if decided.outcome != Outcome::Failed {
            which.output.tell(&format!("{name}: {}", decided.message));
        }
        results.push(decided);
    }
    if !which.dry_run {
        outcome::wait(&cluster, &which.waiting, which.output, &shutdown, &mut results).await;
    }
    outcome::finish(which.output, results)
}

/// The names of the requests that are meant.
async fn names(cluster: &Cluster, which: &Which) -> Result<Vec<String>, Error> {
    let open = |requests: Vec<RevivalRequest>| requests.into_iter().filter(|request| standing(request).is_open());
    if which.all {
        let listed = cluster.list::<RevivalRequest>(false, which.selector.as_deref().unwrap_or_default()).await?;
        return Ok(open(listed).map(|request| request.name_any()).collect());
    }
    let mut names = Vec::new();
    for request in &which.requests {
        let found = match request.split('/').collect::<Vec<_>>().as_slice() {
            [name] | ["rvr" | "revivalrequest" | "revivalrequests", name] => vec![(*name).to_owned()],
            ["cell" | "mcell" | "missioncell" | "missioncells", mission, agent @ ..] if agent.len() <= 1 => {
                let about = |request: &RevivalRequest| {
                    let its = |name: &&str| request.spec.incidents.iter().any(|incident| incident.agent == *name);
                    request.spec.cell_ref.name == *mission && agent.first().is_none_or(its)
                };
                let listed = cluster.list::<RevivalRequest>(false, "").await?;
                let found: Vec<_> = open(listed).filter(about).map(|request| request.name_any()).collect();
                if found.is_empty() {
                    let see = cluster.command(&format!("status {mission}"));
                    return Err(format!("nothing about {request} waits for a decision; {see} tells how it is").into());
                }
                found
            }
            _ => return Err(format!("{request} is neither a request nor cell/MISSION or cell/MISSION/AGENT").into()),
        };
        names.extend(found);
    }
    // The same one twice is one decision.
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// One person's decision in one request; what others write at the same time stays.
async fn one(cluster: &Cluster, name: &str, user: &str, which: &Which, choice: &Choice) -> Result<Decided, Error> {
    let api = cluster.objects::<RevivalRequest>();
    let mut uncertain = None;
    for _ in 0..TRIES {
        let request = cluster.ask(api.get(name)).await.map_err(|failure| cluster.about(failure, "request", name))?;
        let option = option(&request, choice)?;
        if let Some(decided) = already(&request, user, choice.verdict, option.as_deref())? {
            return Ok(decided);
        }
        if let Some(failure) = uncertain {
            // It was sent, and did not arrive.
            return Err(failure);
        }
        let mut decisions = request.status.as_ref().map(|status| status.decisions.clone()).unwrap_or_default();
        if decisions.len() >= 16 {
            return Err("16 people have decided, and there is no room for more".into());
        }
        decisions.push(Decision {
            verdict: choice.verdict,
            option: option.clone(),
            by: user.into(),
            via: Some(VIA.into()),
            comment: which.message.clone(),
            at: Some(to_time(SystemClock.now())),
        });
        let patch = Patch::Merge(json!({
            "metadata": { "resourceVersion": request.resource_version() },
            "status": { "decisions": decisions },
        }));
        let parameters = PatchParams { dry_run: which.dry_run, field_manager: Some(VIA.into()), ..PatchParams::default() };
        match cluster.ask(api.patch_status(name, &parameters, &patch)).await {
            Ok(written) => return Ok(said(&written, choice.verdict, option, which.dry_run)),
            Err(Failure::Conflict) => {}
            Err(failure) if failure.is_uncertain() && !which.dry_run => uncertain = Some(failure.to_string().into()),
            Err(Failure::Forbidden(message)) => {
                return Err(format!(
                    "you ({user}) may not decide this: {message}; ask for the role lazarus-approve in namespace {}",
                    cluster.namespace
                )
                .into());
            }
            Err(failure) => return Err(cluster.about(failure, "request", name)),
        }
    }
    Err(format!("somebody else changed it each of {TRIES} times: try again").into())
}

/// The option that is approved, as the request spells it.
fn option(request: &RevivalRequest, choice: &Choice) -> Result<Option<String>, Error> {
    let options = &request.spec.options;
    match (choice.verdict, &choice.option) {
        (DecisionVerdict::Deny, _) => Ok(None),
        (DecisionVerdict::Approve, None) => Ok(options.first().cloned()),
        (DecisionVerdict::Approve, Some(wanted)) => {
            let found = options.iter().find(|option| option.eq_ignore_ascii_case(wanted)).cloned();
            let offered = || format!("{wanted} is none of its options: choose --option {}", options.join(" or --option "));
            found.map(Some).ok_or_else(|| offered().into())
        }
    }
}

/// What there is to say if nothing is left to decide for this user; an error unless it was decided in the same way.
fn already(
    request: &RevivalRequest,
    user: &str,
    verdict: DecisionVerdict,
    option: Option<&str>,
) -> Result<Option<Decided>, Error> {
    let name = request.name_any();
    let decisions = request.status.iter().flat_map(|status| &status.decisions);
    let first = request.spec.options.first();
    let chosen = |decision: &Decision| decision.option.clone().or(first.cloned());
    if let Some(own) = decisions.clone().find(|decision| decision.by == user) {
        let same = own.verdict == verdict && (verdict == DecisionVerdict::Deny || chosen(own).as_deref() == option);
        let before = match own.verdict {
            DecisionVerdict::Approve => format!("approved {}", chosen(own).unwrap_or_default()),
            DecisionVerdict::Deny => "denied it".into(),
        };
        if !same {
            return Err(format!("you ({user}) {before} before, and a decision can't be changed").into());
        }
        return Ok(Some(Decided::of(request, verdict, chosen(own), format!("you ({user}) {before} before"))));
    }
    let ordered = request.spec.requested_by.as_deref();
    if ordered == Some(user) && verdict == DecisionVerdict::Approve && first.map(String::as_str) == option {
        let message = format!("you ({user}) ordered it, which counts as your approval");
        return Ok(Some(Decided::of(request, verdict, option.map(str::to_owned), message)));
    }
    let by = |wanted: DecisionVerdict| {
        let decided = decisions.clone().filter(|decision| decision.verdict == wanted).map(|decision| decision.by.as_str());
        let names: Vec<_> = decided.chain(ordered.filter(|_| wanted == DecisionVerdict::Approve)).collect();
        if names.is_empty() { "by onTimeout of the policy".into() } else { format!("by {}", names.join(", ")) }
    };
    let same_option = || decisions.clone().any(|decision| chosen(decision).as_deref() == option);
    let (message, same) = match standing(request) {
        Standing::Open | Standing::Unenforced(_) => return Ok(None),
        Standing::Approved => (
            format!("was approved already, {}, and is being carried out", by(DecisionVerdict::Approve)),
            verdict == DecisionVerdict::Approve && same_option(),
        ),
        Standing::Executed => (
            format!("was approved already, {}, and is done", by(DecisionVerdict::Approve)),
            verdict == DecisionVerdict::Approve && same_option(),
        ),
        Standing::Denied => (format!("was denied already, {}", by(DecisionVerdict::Deny)), verdict == DecisionVerdict::Deny),
        Standing::Superseded => (
            "there is nothing left to decide: the agents recovered, were removed, or another request was carried out".into(),
            false,
        ),
    };
    if same {
        Ok(Some(Decided::of(request, verdict, option.map(str::to_owned), message)))
    } else {
        Err(format!("{name} {message}").into())
    }
}

/// What was written, or would be.
fn said(request: &RevivalRequest, verdict: DecisionVerdict, option: Option<String>, dry_run: bool) -> Decided {
    let agents: Vec<_> = request.spec.incidents.iter().map(|incident| incident.agent.as_str()).collect();
    let agents = agents.join(", ");
    let what = match (verdict, &option) {
        (DecisionVerdict::Approve, Some(option)) => format!("approved: {option} {agents}"),
        (DecisionVerdict::Approve, None) => format!("approved: {agents}"),
        (DecisionVerdict::Deny, _) => {
            format!("denied: {agents} stay{} dead", if request.spec.incidents.len() == 1 { "s" } else { "" })
        }
    };
    let (quorum, there) = (request.spec.quorum, option.as_deref().map_or(0, |option| approvals(request, option)));
    let count = if verdict == DecisionVerdict::Approve && quorum > 1 {
        format!(", {there} of {quorum} approvals")
    } else {
        String::new()
    };
    let message =
        if dry_run { format!("would be {what}{count} (dry run, nothing was written)") } else { format!("{what}{count}") };
    let mut decided = Decided::of(request, verdict, option, message);
    if dry_run {
        decided.outcome = Outcome::DryRun;
    }
    decided
}
