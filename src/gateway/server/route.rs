//! From a request to its answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method, Request, Response};
use kube::Client;

use super::Limits;
use super::answer::{Declined, Health, Taken};
use super::places::Place;
use crate::api::beat::{Admission, Ask, Beat, Invalid, LONGEST_BODY, Reply};
use crate::api::names;
use crate::gateway::keys::{Denied, Keyring};
use crate::gateway::ledger::{CANARY_INTERVAL, Ledger, Tally, Uid};
use crate::gateway::token::Bearer;
use crate::report::metrics::Metrics;
use crate::runtime::clock::Clock;
use crate::runtime::leadership::Leadership;

/// Seconds after which it is worth asking for admission again.
const ASK_AGAIN: u32 = 2;
/// `GET /health` counts the ledger at most this often: anybody may ask for it.
const TALLY_LASTS: Duration = Duration::from_secs(1);

/// What the server answers from.
#[derive(Debug)]
pub struct Answers {
    ledger: Arc<Mutex<Ledger>>,
    keyring: Arc<Keyring>,
    pub(super) leadership: Leadership,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    client: ClientOf,
    /// The operator's namespace.
    namespace: String,
    started: Instant,
    tally: Mutex<Option<(Instant, Tally)>>,
}

// kube's client has no Debug.
struct ClientOf(Client);

impl std::fmt::Debug for ClientOf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Client")
    }
}

impl Answers {
    /// Answers from the ledger and keys; `client` reads keys that are not known yet, `namespace` is the operator's.
    #[must_use]
    pub fn new(
        ledger: Arc<Mutex<Ledger>>,
        keyring: Arc<Keyring>,
        client: Client,
        namespace: String,
        leadership: Leadership,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let started = clock.monotonic();
        Self {
            ledger,
            keyring,
            leadership,
            clock,
            metrics,
            client: ClientOf(client),
            namespace,
            started,
            tally: Mutex::default(),
        }
    }

    /// Forgets what only a leader may know.
    pub(super) fn forget(&self) {
        self.ledger().clear();
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) async fn answer(&self, request: Request<Incoming>, limits: Limits, place: &Place) -> Response<Full<Bytes>> {
        let began = self.clock.monotonic();
        let mut signed = None;
        let routed = tokio::time::timeout(limits.request, self.route(request, limits, &mut signed)).await;
        let routed = routed.unwrap_or(Err(Declined::Slow));
        let (counted, is_proof) = match &routed {
            Ok(taken) => (taken.counted(), taken.is_proof()),
            Err(declined) => (declined.counted(), declined.is_proof()),
        };
        if let (Some(pod), Some(why)) = (signed, routed.as_ref().err().and_then(|declined| declined.refusal())) {
            self.ledger().refuse(pod, why, self.clock.monotonic());
        }
        let stays = is_proof && signed.is_some_and(|pod| place.prove(pod));
        self.metrics.gateway().answered(counted, self.clock.monotonic().saturating_duration_since(began));
        match routed {
            Ok(taken) => taken.response(stays),
            Err(declined) => declined.response(stays),
        }
    }

    /// `signed` becomes the pod that the request's token was signed for, also if it is refused for something else.
    async fn route(&self, request: Request<Incoming>, limits: Limits, signed: &mut Option<Uid>) -> Result<Taken, Declined> {
        match (request.uri().path(), request.method()) {
            ("/beat", &Method::POST) => {
                let (bearer, body) = self.admit(request, limits, signed).await?;
                let beat = Beat::read(&body)?;
                let mut ledger = self.ledger();
                self.leads()?;
                let (pod, now) = (bearer.pod, self.clock.monotonic());
                if self.is_replica(&bearer) {
                    ledger.canary(beat.network, now);
                    return Ok(Taken::Canary(Reply { next_heartbeat_seconds: CANARY_INTERVAL, holds: Vec::new() }));
                }
                let next = ledger.note(pod, &beat, now)?;
                Ok(Taken::Beat(Reply { next_heartbeat_seconds: next, holds: ledger.holds(pod) }))
            }
            ("/admission", &Method::POST) => {
                let (bearer, body) = self.admit(request, limits, signed).await?;
                let ask = Ask::read(&body)?;
                let mut ledger = self.ledger();
                self.leads()?;
                let admitted = ledger.ask(bearer.pod, ask.network, self.clock.monotonic())?;
                Ok(Taken::Admission(Admission { admitted, retry_seconds: if admitted { 0 } else { ASK_AGAIN } }))
            }
            ("/health", &Method::GET) => Ok(Taken::Health(self.health())),
            ("/beat" | "/admission", _) => Err(Declined::Method("POST")),
            ("/health", _) => Err(Declined::Method("GET")),
            _ => Err(Declined::NotFound),
        }
    }

    /// Whose request it is, and its body: in this order, so that nothing is read for a stranger.
    async fn admit(
        &self,
        request: Request<Incoming>,
        limits: Limits,
        signed: &mut Option<Uid>,
    ) -> Result<(Bearer, Bytes), Declined> {
        self.leads()?;
        let token = bearer(request.headers()).ok_or(Declined::NoToken)?;
        let checked = self.keyring.check(token, &self.client.0).await;
        *signed = match &checked {
            Ok(bearer) => Some(bearer.pod),
            Err(Denied::Rejected(rejected)) => rejected.signed_for(token),
            Err(Denied::NotReady) => None,
        };
        let bearer = checked?;
        if request.body().size_hint().lower() > LONGEST_BODY as u64 {
            return Err(Invalid::TooLong.into());
        }
        let body = Limited::new(request.into_body(), LONGEST_BODY).collect();
        match tokio::time::timeout(limits.body, body).await {
            Ok(Ok(body)) => Ok((bearer, body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Invalid::TooLong.into()),
            Ok(Err(error)) if !timed_out(&*error) => Err(Invalid::Malformed.into()),
            // The time for the body, or that for the whole request.
            Ok(Err(_)) | Err(_) => Err(Declined::Slow),
        }
    }

    /// Whether it is a replica of this operator.
    fn is_replica(&self, bearer: &Bearer) -> bool {
        bearer.namespace == self.namespace && bearer.account.as_deref() == Some(names::OPERATOR)
    }

    fn leads(&self) -> Result<(), Declined> {
        if self.leadership.is_leader() { Ok(()) } else { Err(Declined::NotLeader) }
    }

    fn health(&self) -> Health {
        let now = self.clock.monotonic();
        let mut kept = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.filter(|(counted, _)| now.saturating_duration_since(*counted) < TALLY_LASTS);
        let (_, tally) = *kept.insert(fresh.unwrap_or_else(|| (now, self.ledger().tally(now))));
        Health {
            status: "ok",
            service: names::GATEWAY,
            uptime_seconds: now.saturating_duration_since(self.started).as_secs(),
            agents: tally.into(),
            leader: self.leadership.is_leader(),
            ts: self.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every update leaves the ledger whole, so a poisoned lock is still right.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the connection's deadline is behind it.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}
