//! Snapshots from the watches' caches, and by consistent reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, ServiceAccount};
use kube::api::{Api, ListParams};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};

use super::node::SlimNode;
use super::pod::SlimPod;
use super::snapshot::{Account, Cell, Claim, Node, PolicySource, Refusal, Request, Snapshot};
use super::{Features, Ground, Obstacle, Pulse};
use crate::api::conditions::Reason;
use crate::api::{AgentPolicy, AgentPolicySpec, Ceilings, Isolation, MissionCell, RevivalRequest, external, names};
use crate::render;
use crate::runtime::time::from_time;

/// The caches that the watches fill.
#[derive(Clone)]
pub struct Stores {
    /// Missions.
    pub cells: Store<DeserializeGuard<MissionCell>>,
    /// Policies.
    pub policies: Store<DeserializeGuard<AgentPolicy>>,
    /// Pods with a mission's label.
    pub pods: Store<SlimPod>,
    /// Nodes.
    pub nodes: Store<SlimNode>,
    /// Questions to people.
    pub requests: Store<DeserializeGuard<RevivalRequest>>,
    /// Labels of the namespaces.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
}

/// What the leader knows besides what is stored in the cluster.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Agents whose pod the API server refused lately.
    pub refusals: BTreeMap<String, Refusal>,
    /// What the gateway knows of the mission's incarnations, by the UID of the pod.
    pub pulses: BTreeMap<String, Pulse>,
    /// What the cluster lacks to make sure that only those approve who may.
    pub unenforced: Option<String>,
    /// What it lacks to refuse pods that are less isolated than their label says.
    pub unchecked: Option<String>,
    /// What keeps the mission's sidecars from being admitted.
    pub obstacle: Option<Obstacle>,
    /// Why the mission's NetworkPolicies are not in place.
    pub unfenced: Option<String>,
}

/// A consistent read of a large namespace takes a moment; one that takes longer than this takes for ever.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Takes snapshots.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    stores: Stores,
    defaults: Arc<AgentPolicySpec>,
    ceilings: Arc<Ceilings>,
}

/// Why no snapshot could be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not give it.
    #[error("cannot read {what} of the mission: {source}")]
    Read {
        /// What was read.
        what: &'static str,
        /// What kube reported.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("cannot read the mission: no answer after {} s", after.as_secs())]
    TimedOut {
        /// How long the answer was waited for.
        after: Duration,
    },
}

impl Reader {
    /// Reads through `client` and `stores`; `defaults` fill what policies leave out, `ceilings` hold for all missions.
    #[must_use]
    pub fn new(client: Client, stores: Stores, defaults: AgentPolicySpec, ceilings: Ceilings) -> Self {
        Self { client, stores, defaults: Arc::new(defaults), ceilings: Arc::new(ceilings) }
    }

    /// A snapshot from the caches, which may lag behind: good enough to see that nothing is to be done.
    #[must_use]
    pub fn cached(&self, cell: &MissionCell, known: Known) -> Snapshot {
        let (namespace, name) = (cell.namespace().unwrap_or_default(), cell.name_any());
        let pods = self
            .stores
            .pods
            .state()
            .into_iter()
            .filter(|pod| pod.cell() == Some(&name) && pod.namespace().as_deref() == Some(&namespace))
            .map(|pod| pod.view())
            .collect();
        self.snapshot(cell, pods, self.cached_requests(cell), known)
    }

    fn cached_requests(&self, cell: &MissionCell) -> Vec<Request> {
        let (namespace, uid) = (cell.namespace(), cell.uid());
        let is_its =
            |request: &&RevivalRequest| request.namespace() == namespace && Some(&request.spec.cell_ref.uid) == uid.as_ref();
        let requests = self.stores.requests.state();
        requests.iter().filter_map(|request| request.0.as_ref().ok()).filter(is_its).filter_map(view).collect()
    }

    /// All requests about the mission. What is closed does not change any more, so the cache is good enough for it.
    async fn requests(&self, cell: &MissionCell) -> Result<Vec<Request>, kube::Error> {
        let agents = cell.status.iter().flat_map(|status| &status.agents);
        let waits = agents.into_iter().any(|agent| agent.reason == Some(Reason::AwaitingApproval));
        let cached = self.cached_requests(cell);
        if !waits && cached.iter().all(|request| request.status.is_closed()) {
            return Ok(cached);
        }
        let requests =
            Api::<DeserializeGuard<RevivalRequest>>::namespaced(self.client.clone(), &cell.namespace().unwrap_or_default());
        let found = requests.list(&ListParams::default()).await?;
        let uid = cell.uid();
        let views = found.items.iter().filter_map(|request| view(request.0.as_ref().ok()?));
        Ok(views.filter(|request| Some(&request.spec.cell_ref.uid) == uid.as_ref()).collect())
    }

    /// A snapshot by consistent reads of the mission and its pods, with the mission's resourceVersion: what every write is
    /// decided on. `None`: there is no mission with this UID.
    ///
    /// # Errors
    /// The API server did not answer, or with something that is not what was asked for.
    pub async fn consistent(&self, cell: &MissionCell, known: Known) -> Result<Option<(Snapshot, String)>, Error> {
        let read = tokio::time::timeout(TIMEOUT, self.read(cell, known)).await;
        read.unwrap_or(Err(Error::TimedOut { after: TIMEOUT }))
    }

    async fn read(&self, cell: &MissionCell, known: Known) -> Result<Option<(Snapshot, String)>, Error> {
        let (namespace, name) = (cell.namespace().unwrap_or_default(), cell.name_any());
        let failed = |what| move |source| Error::Read { what, source: Box::new(source) };
        // The mission first: its committed pods were made before, so one that the list does not have is gone.
        let cells = Api::<MissionCell>::namespaced(self.client.clone(), &namespace);
        let Some(current) = cells.get_opt(&name).await.map_err(failed("the object"))? else { return Ok(None) };
        if current.uid() != cell.uid() {
            return Ok(None);
        }
        // Without a resourceVersion in the request, both reads are served from a quorum.
        let selector = ListParams::default().labels(&format!("{}={name}", names::CELL));
        let pods =
            Api::<SlimPod>::namespaced(self.client.clone(), &namespace).list(&selector).await.map_err(failed("the pods"))?;
        let requests = self.requests(&current).await.map_err(failed("the RevivalRequests"))?;
        let account = self.account(&current).await.map_err(failed("the ServiceAccount"))?;
        let claim = self.claim(&current).await.map_err(failed("the PersistentVolumeClaim"))?;
        let version = current.resource_version().unwrap_or_default();
        let snapshot = self.snapshot(&current, pods.iter().map(SlimPod::view).collect(), requests, known);
        Ok(Some((Snapshot { account, claim, ..snapshot }, version)))
    }

    async fn account(&self, cell: &MissionCell) -> Result<Option<Account>, kube::Error> {
        if cell.spec.agents.iter().all(|agent| agent.external.is_none()) {
            return Ok(None);
        }
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &cell.namespace().unwrap_or_default());
        let Some(found) = accounts.get_metadata_opt(&external::account(&cell.name_any())).await? else {
            return Ok(Some(Account::Missing));
        };
        // One that a person made serves as well: what counts is whom the token is made for.
        let other = found
            .owner_references()
            .iter()
            .any(|owner| owner.controller == Some(true) && Some(&owner.uid) != cell.uid().as_ref());
        let ending = other || found.metadata.deletion_timestamp.is_some();
        Ok(Some(if ending { Account::Ending } else { Account::Present }))
    }

    async fn claim(&self, cell: &MissionCell) -> Result<Option<Claim>, kube::Error> {
        if cell.spec.workspace.is_none() {
            return Ok(None);
        }
        let claims = Api::<PersistentVolumeClaim>::namespaced(self.client.clone(), &cell.namespace().unwrap_or_default());
        let Some(found) = claims.get_opt(&names::workspace(&cell.name_any())).await? else { return Ok(Some(Claim::Missing)) };
        let owners = found.owner_references();
        let owned = owners.iter().any(|owner| Some(&owner.uid) == cell.uid().as_ref());
        // One that was retained has no owner, and still the labels it was made with.
        let made = render::isolation::workspace::is_made_for(&found, &cell.name_any());
        let other = owners.iter().find(|owner| !owned && owner.controller == Some(true));
        let earlier = other.is_some_and(|owner| owner.kind == MissionCell::kind(&()));
        if !made || (other.is_some() && !earlier) {
            return Ok(Some(Claim::Foreign));
        }
        if found.metadata.deletion_timestamp.is_some() || earlier {
            return Ok(Some(Claim::Ending));
        }
        let requests = found.spec.and_then(|spec| spec.resources?.requests).unwrap_or_default();
        let size = requests.get("storage").map(|size| size.0.clone()).unwrap_or_default();
        Ok(Some(Claim::Present { owned, size }))
    }

    fn snapshot(&self, cell: &MissionCell, mut pods: Vec<super::Pod>, mut requests: Vec<Request>, known: Known) -> Snapshot {
        requests.sort_by(|left, right| (left.created, &left.name).cmp(&(right.created, &right.name)));
        pods.sort_by(|left, right| (&left.agent, left.attempt, &left.uid).cmp(&(&right.agent, right.attempt, &right.uid)));
        let policy = self.policy(cell);
        let cell = Cell {
            name: cell.name_any(),
            namespace: cell.namespace().unwrap_or_default(),
            uid: cell.uid().unwrap_or_default(),
            generation: cell.metadata.generation.unwrap_or_default(),
            deleting: cell.metadata.deletion_timestamp.is_some(),
            spec: cell.spec.clone(),
            status: cell.status.clone().unwrap_or_default(),
        };
        let nodes = self.nodes(&pods);
        let Known { refusals, pulses, obstacle, unenforced, unchecked, unfenced } = known;
        let (defaults, unrest) = ((*self.defaults).clone(), Vec::new());
        let (account, claim, ground) = (None, None, Ground { unchecked, unfenced, ..self.ground(&cell) });
        Snapshot {
            cell,
            policy,
            defaults,
            pods,
            nodes,
            pulses,
            obstacle,
            account,
            claim,
            refusals,
            unrest,
            requests,
            unenforced,
            ground,
        }
    }

    fn ground(&self, cell: &Cell) -> Ground {
        let namespace = self.stores.namespaces.get(&ObjectRef::new(&cell.namespace));
        let label = |key: &str| namespace.as_ref()?.metadata.labels.as_ref()?.get(key).cloned();
        let mut nodes = Features::default();
        for node in self.stores.nodes.state() {
            node.count(cell.spec.node_selector.as_ref(), &mut nodes);
        }
        let least = label(names::MINIMUM_LEVEL);
        let minimum_level = least.as_deref().and_then(Isolation::of);
        let obscure = match (&namespace, least, minimum_level) {
            (None, _, _) => Some(format!("the operator has not seen namespace {} yet", cell.namespace)),
            (Some(_), Some(word), None) => Some(format!(
                "label {} of namespace {} is {word:?}: write None, Level1, Level2 or Level3",
                names::MINIMUM_LEVEL,
                cell.namespace
            )),
            (Some(_), _, _) => None,
        };
        Ground {
            minimum_level,
            obscure,
            pod_security: label(names::POD_SECURITY),
            ceilings: (*self.ceilings).clone(),
            nodes,
            unchecked: None,
            unfenced: None,
        }
    }

    // From the cache also for a consistent snapshot: what a node is like is known to the cluster only after a while anyway.
    fn nodes(&self, pods: &[super::Pod]) -> BTreeMap<String, Node> {
        let found = |name: &String| Some((name.clone(), self.stores.nodes.get(&ObjectRef::new(name))?.view()));
        pods.iter().filter_map(|pod| pod.node.as_ref()).filter_map(found).collect()
    }

    fn policy(&self, cell: &MissionCell) -> PolicySource {
        let named = cell.spec.policy_ref.as_ref().map(|reference| reference.name.as_str());
        let name = named.unwrap_or(names::DEFAULT_POLICY);
        let reference = ObjectRef::new(name).within(&cell.namespace().unwrap_or_default());
        match (self.stores.policies.get(&reference), named) {
            (Some(policy), _) => match &policy.0 {
                Ok(policy) => PolicySource::Found(name.into(), Box::new(policy.spec.clone())),
                Err(invalid) => PolicySource::Invalid(name.into(), invalid.error.clone()),
            },
            (None, Some(name)) => PolicySource::Missing(name.into()),
            (None, None) => PolicySource::BuiltIn,
        }
    }
}

/// A request as decisions see it.
fn view(request: &RevivalRequest) -> Option<Request> {
    Some(Request {
        name: request.name_any(),
        uid: request.uid()?,
        version: request.resource_version()?,
        created: from_time(request.metadata.creation_timestamp.as_ref()?),
        spec: request.spec.clone(),
        status: request.status.clone().unwrap_or_default(),
    })
}
