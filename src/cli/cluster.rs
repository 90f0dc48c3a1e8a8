//! The cluster as a person reaches it: kubeconfig, namespace, and errors that say what to do.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;

use super::Error;

/// An answer that takes longer does not come.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which cluster, and as whom.
#[derive(clap::Args, Clone)]
pub(super) struct Connection {
    /// Namespace [default: that of the context]
    #[arg(help_heading = "Cluster", short, long, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Context of the kubeconfig [default: the current one]
    #[arg(help_heading = "Cluster", long, value_name = "NAME")]
    context: Option<String>,

    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(help_heading = "Cluster", long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Act as this user
    #[arg(help_heading = "Cluster", long = "as", value_name = "USER")]
    user: Option<String>,

    /// Act as a member of this group; can be given several times
    #[arg(help_heading = "Cluster", long = "as-group", value_name = "GROUP", requires = "user")]
    groups: Vec<String>,
}

/// A connection, with what is needed to name commands that use the same.
pub(super) struct Cluster {
    client: Client,
    /// The namespace that is meant.
    pub namespace: String,
    /// The one that is meant if nobody says so.
    default_namespace: String,
    url: String,
    program: &'static str,
    flags: String,
}

/// Why the API server did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("not found")]
    NotFound,
    #[error("this cluster does not know {0}: install Lazarus Pit in it, or choose another one with --context")]
    NoSuchKind(String),
    #[error("the API server forbids it: {0}")]
    Forbidden(String),
    #[error("the API server does not know you ({0}): log in anew, or choose another user with --context")]
    Unauthorized(String),
    #[error("it was changed by somebody else at the same time: try again")]
    Conflict,
    #[error("it exists already")]
    Exists,
    #[error("cannot reach the API server at {url}: {cause}; does it run, and is the --context the right one?")]
    Unreachable { url: String, cause: String },
    #[error("the API server at {url} did not answer within {} s: try again", TIMEOUT.as_secs())]
    TimedOut { url: String },
    #[error("the API server refuses it: {0}")]
    Refused(String),
    #[error("the API server's answer can't be understood ({0}): are this program and the cluster's CRDs of the same version?")]
    Strange(String),
}

impl Failure {
    /// Whether it may have been done all the same.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Strange(_))
    }
}

impl Connection {
    pub async fn open(&self, program: &'static str) -> Result<Cluster, Error> {
        let mut config = self.config().await?;
        // kube's own retries can take minutes inside one call (15 tries, doubling).
        config.default_retry = false;
        config.connect_timeout = Some(TIMEOUT);
        if let Some(user) = &self.user {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups = Some(self.groups.clone()).filter(|groups| !groups.is_empty());
        }
        let url = config.cluster_url.to_string();
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let kubeconfig = self.kubeconfig.as_ref().map(|file| file.display().to_string());
        let given = [("--context", &self.context), ("--kubeconfig", &kubeconfig), ("--as", &self.user)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let groups = self.groups.iter().map(|group| ("--as-group", group));
        let flags = given.chain(groups).map(|(name, value)| format!(" {name} {value}"));
        let flags = flags.collect::<Vec<_>>().concat();
        let default_namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| format!("cannot use the kubeconfig: {error}"))?;
        Ok(Cluster { client, namespace, default_namespace, url, program, flags })
    }

    async fn config(&self) -> Result<Config, Error> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let unusable =
            |error| format!("cannot use the kubeconfig: {error}; choose a file with --kubeconfig or a context with --context");
        let read = match &self.kubeconfig {
            Some(file) => match Kubeconfig::read_from(file) {
                Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
                Err(error) => Err(error),
            },
            None => Config::from_kubeconfig(&options).await,
        };
        match read {
            Ok(config) => Ok(config),
            // In a pod there is no kubeconfig, but a ServiceAccount.
            Err(error) if self.kubeconfig.is_none() && self.context.is_none() => {
                Config::incluster().map_err(|_| unusable(error).into())
            }
            Err(error) => Err(unusable(error).into()),
        }
    }
}

impl Cluster {
    /// The objects of a kind in the namespace that is meant.
    pub fn objects<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// For what is not in the namespace that is meant.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The objects of a kind that are meant, those of all namespaces if so.
    pub async fn list<K>(&self, everywhere: bool, selector: &str) -> Result<Vec<K>, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let api = if everywhere { Api::all(self.client.clone()) } else { self.objects::<K>() };
        let all = ListParams::default();
        let parameters = if selector.is_empty() { all } else { all.labels(selector) };
        let listed = self.ask(api.list(&parameters)).await;
        match listed {
            Ok(list) => Ok(list.items),
            Err(Failure::NotFound | Failure::NoSuchKind(_)) => Err(Failure::NoSuchKind(K::plural(&()).into_owned())),
            Err(failure) => Err(failure),
        }
    }

    /// Sends a request, and says in words what became of it.
    pub async fn ask<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        let url = || self.url.clone();
        match tokio::time::timeout(TIMEOUT, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(match (status.code, status.reason.as_str()) {
                (404, _) if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
                    Failure::NoSuchKind("this kind of object".into())
                }
                (404, _) => Failure::NotFound,
                (403, _) => Failure::Forbidden(status.message),
                (401, _) => Failure::Unauthorized(status.message),
                (409, "AlreadyExists") => Failure::Exists,
                (409, _) => Failure::Conflict,
                (504, _) => Failure::TimedOut { url: url() },
                (500.., _) => Failure::Unreachable { url: url(), cause: status.message },
                _ => Failure::Refused(status.message),
            }),
            Ok(Err(kube::Error::SerdeError(error))) => Err(Failure::Strange(error.to_string())),
            Ok(Err(error)) => Err(Failure::Unreachable { url: url(), cause: root(&error) }),
            Err(_) => Err(Failure::TimedOut { url: url() }),
        }
    }

    /// The user as the API server knows them: `k8s:` and the name.
    pub async fn user(&self) -> Result<String, Failure> {
        let api = Api::<SelfSubjectReview>::all(self.client.clone());
        let review = self.ask(api.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
        let name = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
        name.map(|name| format!("k8s:{name}")).ok_or_else(|| Failure::Strange("it does not say who you are".into()))
    }

    /// A command of this program for the same cluster and namespace, to be typed.
    pub fn command(&self, words: &str) -> String {
        self.command_in(&self.namespace, words)
    }

    /// The same for a certain namespace.
    pub fn command_in(&self, namespace: &str, words: &str) -> String {
        let namespace = if namespace == self.default_namespace { String::new() } else { format!(" -n {namespace}") };
        format!("{} {words}{namespace}{}", self.program, self.flags)
    }

    /// The failure as a message about one object.
    pub fn about(&self, failure: Failure, kind: &str, name: &str) -> Error {
        match failure {
            Failure::NotFound => {
                let see = match kind {
                    "mission" => format!("; {} shows those that are", self.command("status")),
                    _ => format!("; kubectl get rvr -n {} shows those that are", self.namespace),
                };
                format!("there is no {kind} {name} in namespace {}{see}", self.namespace).into()
            }
            failure => format!("{kind} {name}: {failure}").into(),
        }
    }
}

/// The innermost cause: what is around it says only that something failed.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
