//! What the gateway counts.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::fill;

labels! {
    /// How the gateway answered a request.
    Answered {
        /// A report was taken.
        Beat = "beat",
        /// A report of a replica that does not lead was taken.
        Canary = "canary",
        /// An agent may start.
        Admitted = "admitted",
        /// An agent may not start yet.
        NotAdmitted = "not_admitted",
        /// `GET /health`.
        Health = "health",
        /// There is no token.
        NoToken = "no_token",
        /// The token is not a token.
        TokenMalformed = "token_malformed",
        /// The token's algorithm is not accepted.
        TokenAlgorithm = "token_algorithm",
        /// The token's key is not known.
        TokenKey = "token_key",
        /// The token's signature is wrong.
        TokenSignature = "token_signature",
        /// The token is of another issuer.
        TokenIssuer = "token_issuer",
        /// The token is for something else.
        TokenAudience = "token_audience",
        /// The token has expired or is not valid yet.
        TokenTime = "token_time",
        /// The token is not bound to a pod.
        TokenUnbound = "token_unbound",
        /// The token is for an agent elsewhere, but bound to a pod.
        TokenBound = "token_bound",
        /// The token is for an agent elsewhere, but not of a ServiceAccount.
        TokenAccount = "token_account",
        /// The body is not what was asked for.
        Malformed = "malformed",
        /// The body is too long.
        TooLong = "too_long",
        /// The body did not come in time.
        Slow = "slow",
        /// The incarnation is not committed, or no longer.
        Gone = "gone",
        /// More reports than one agent may send.
        TooMany = "too_many",
        /// Another replica leads.
        NotLeader = "not_leader",
        /// The keys of the API server are not known yet.
        NotReady = "not_ready",
        /// There is no such path.
        NotFound = "not_found",
        /// The path is not for this method.
        Method = "method",
    }

    /// Why the gateway closed a connection that asked for nothing.
    Closed {
        /// There are as many of strangers as there may be.
        Full = "full",
        /// Its address has as many of strangers as one may have.
        SourceFull = "source_full",
        /// Too many from its address came to nothing.
        Tiresome = "source_tiresome",
        /// A stranger's, for another one.
        Evicted = "evicted",
        /// TLS did not come about.
        Handshake = "handshake",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    answer: Answered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Closed,
}

/// The gateway's part of the metrics.
#[derive(Debug)]
pub struct GatewayMetrics {
    requests: Family<AnswerLabel, Counter>,
    refused: Family<ReasonLabel, Counter>,
    seconds: Histogram,
    connections: Gauge,
}

impl GatewayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (requests, refused, connections) = (Family::default(), Family::default(), Gauge::default());
        let seconds = Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 2.5]);
        registry.register("gateway_requests", "Requests to the gateway by how they were answered", requests.clone());
        registry.register("gateway_connections_refused", "Connections that the gateway closed unasked", refused.clone());
        registry.register("gateway_request_seconds", "Time from a request's header to its answer", seconds.clone());
        registry.register("gateway_connections", "Open connections to the gateway", connections.clone());
        fill(&requests, Answered::ALL, |answer| AnswerLabel { answer });
        fill(&refused, Closed::ALL, |reason| ReasonLabel { reason });
        Self { requests, refused, seconds, connections }
    }

    /// Counts an answered request and how long it took.
    pub fn answered(&self, answer: Answered, took: Duration) {
        self.requests.get_or_create(&AnswerLabel { answer }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Requests answered so.
    #[must_use]
    pub fn answers(&self, answer: Answered) -> u64 {
        self.requests.get_or_create(&AnswerLabel { answer }).get()
    }

    /// Counts a connection that came to nothing.
    pub fn refused(&self, reason: Closed) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Connections that came to nothing for this reason.
    #[must_use]
    pub fn refusals(&self, reason: Closed) -> u64 {
        self.refused.get_or_create(&ReasonLabel { reason }).get()
    }

    /// Counts a connection as open, until [`closed`](Self::closed).
    pub fn opened(&self) {
        self.connections.inc();
    }

    /// The opposite.
    pub fn closed(&self) {
        self.connections.dec();
    }

    /// Open connections.
    #[must_use]
    pub fn open(&self) -> i64 {
        self.connections.get()
    }
}
