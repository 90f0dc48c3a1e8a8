//! What is answered, as HTTP says it.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::api::beat::{Admission, Invalid, Refusal, Reply};
use crate::gateway::keys::Denied;
use crate::gateway::ledger::{Refused, Tally};
use crate::gateway::token::Rejected;
use crate::observe::Asked;
use crate::report::metrics::Answered;

/// A request that was taken.
#[derive(Clone, Debug)]
pub(super) enum Taken {
    Beat(Reply),
    /// A standby's, which only shows that the way is free.
    Canary(Reply),
    Admission(Admission),
    Health(Health),
}

/// `GET /health`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    pub(super) status: &'static str,
    pub(super) service: &'static str,
    pub(super) uptime_seconds: u64,
    pub(super) agents: Agents,
    pub(super) leader: bool,
    pub(super) ts: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Agents {
    healthy: usize,
    degraded: usize,
    unhealthy: usize,
}

/// A request that was not.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Declined {
    #[error("send the token of the pod as `Authorization: Bearer`")]
    NoToken,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("the request did not come in time")]
    Slow,
    #[error("this incarnation is not committed, or no longer: it must not act")]
    Gone,
    #[error("too many reports: wait a second")]
    TooMany,
    #[error("this replica does not lead: connect again")]
    NotLeader,
    #[error("there are POST /beat, POST /admission and GET /health")]
    NotFound,
    #[error("only {0}")]
    Method(&'static str),
}

impl Taken {
    pub(super) fn counted(&self) -> Answered {
        match self {
            Self::Beat(_) => Answered::Beat,
            Self::Canary(_) => Answered::Canary,
            Self::Admission(admission) if admission.admitted => Answered::Admitted,
            Self::Admission(_) => Answered::NotAdmitted,
            Self::Health(_) => Answered::Health,
        }
    }

    /// Whether it is said only to a committed incarnation.
    pub(super) fn is_proof(&self) -> bool {
        match self {
            Self::Beat(_) => true,
            Self::Admission(admission) => admission.admitted,
            // The next one is to come by the Service anew.
            Self::Canary(_) | Self::Health(_) => false,
        }
    }

    pub(super) fn response(&self, stays: bool) -> Response<Full<Bytes>> {
        match self {
            Self::Beat(reply) | Self::Canary(reply) => json(StatusCode::OK, reply, stays),
            Self::Admission(admission) => json(StatusCode::OK, admission, stays),
            Self::Health(health) => json(StatusCode::OK, health, stays),
        }
    }
}

impl Declined {
    pub(super) fn counted(self) -> Answered {
        match self {
            Self::NoToken => Answered::NoToken,
            Self::Denied(Denied::NotReady) => Answered::NotReady,
            Self::Denied(Denied::Rejected(rejected)) => match rejected {
                Rejected::Malformed => Answered::TokenMalformed,
                Rejected::Algorithm => Answered::TokenAlgorithm,
                Rejected::UnknownKey => Answered::TokenKey,
                Rejected::Signature => Answered::TokenSignature,
                Rejected::Issuer => Answered::TokenIssuer,
                Rejected::Audience => Answered::TokenAudience,
                Rejected::Time => Answered::TokenTime,
                Rejected::Unbound => Answered::TokenUnbound,
                Rejected::Bound => Answered::TokenBound,
                Rejected::Account => Answered::TokenAccount,
            },
            Self::Invalid(Invalid::TooLong) => Answered::TooLong,
            Self::Invalid(Invalid::Malformed | Invalid::Protocol) => Answered::Malformed,
            Self::Slow => Answered::Slow,
            Self::Gone => Answered::Gone,
            Self::TooMany => Answered::TooMany,
            Self::NotLeader => Answered::NotLeader,
            Self::NotFound => Answered::NotFound,
            Self::Method(_) => Answered::Method,
        }
    }

    /// Whether it is said only to a committed incarnation: one that may be heard later.
    pub(super) fn is_proof(self) -> bool {
        matches!(self, Self::TooMany)
    }

    /// What a signed token's pod was refused for, as far as that may keep its agent from its admission.
    pub(super) fn refusal(self) -> Option<Asked> {
        match self {
            Self::Denied(Denied::Rejected(Rejected::Issuer)) => Some(Asked::OtherIssuer),
            Self::Denied(Denied::Rejected(Rejected::Audience)) => Some(Asked::OtherAudience),
            Self::Denied(Denied::Rejected(Rejected::Time)) => Some(Asked::NotNow),
            Self::Invalid(_) => Some(Asked::NotUnderstood),
            Self::Slow => Some(Asked::Slow),
            Self::NoToken | Self::Denied(_) | Self::Gone | Self::TooMany | Self::NotLeader | Self::NotFound | Self::Method(_) => {
                None
            }
        }
    }

    pub(super) fn response(self, stays: bool) -> Response<Full<Bytes>> {
        let status = match self {
            Self::NoToken | Self::Denied(Denied::Rejected(_)) => StatusCode::UNAUTHORIZED,
            Self::Denied(Denied::NotReady) | Self::NotLeader => StatusCode::SERVICE_UNAVAILABLE,
            Self::Invalid(Invalid::TooLong) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(Invalid::Malformed | Invalid::Protocol) => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Gone => StatusCode::GONE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
        };
        let mut response = json(status, &Refusal { message: self.to_string() }, stays);
        match self {
            Self::TooMany | Self::NotLeader | Self::Denied(Denied::NotReady) => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Method(allowed) => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::NoToken | Self::Denied(_) | Self::Invalid(_) | Self::Slow | Self::Gone | Self::NotFound => {}
        }
        response
    }
}

impl From<Refused> for Declined {
    fn from(refused: Refused) -> Self {
        match refused {
            // A new leader that has not entered everybody yet is not one that can answer.
            Refused::Closed => Self::NotLeader,
            Refused::Gone => Self::Gone,
            Refused::TooMany => Self::TooMany,
        }
    }
}

impl From<Tally> for Agents {
    fn from(Tally { healthy, degraded, unhealthy }: Tally) -> Self {
        Self { healthy, degraded, unhealthy }
    }
}

fn json(status: StatusCode, body: &impl Serialize, stays: bool) -> Response<Full<Bytes>> {
    // Numbers, words and texts of our own: serde has nothing to refuse in them.
    let mut response = Response::new(Full::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !stays {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
