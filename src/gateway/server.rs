//! The server: who may connect, how many, and for how long. It speaks HTTP/1.1 over TLS 1.3 and nothing else.
//!
//! Whoever is not the leader serves too, and answers 503. Losing the lease closes every connection at once: the Service leads
//! new connections to the next leader, but kube-proxy leaves those alone that exist.

mod answer;
mod patience;
mod places;
mod route;
mod timed;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::places::{Place, Places};
pub use self::route::Answers;
use self::timed::Timed;
use crate::report::metrics::Closed;
use crate::runtime::shutdown::Shutdown;

/// A sidecar sends about five.
const MOST_HEADERS: usize = 32;
/// A token has 1 to 2 KiB, a body 1 KiB.
const LONGEST_HEADER: usize = 16 * 1024;

/// How much of everything there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time from the first byte of a request to its last, and from the handshake to the first byte.
    pub request: Duration,
    /// Time for the body, within that of the request.
    pub body: Duration,
    /// Time without a request; only connections of incarnations that have proven who they are stay open at all. It is longer
    /// than the time between two reports, so that a report needs no new connection.
    pub idle: Duration,
    /// Connections at once of incarnations that have proven who they are: one each.
    pub connections: usize,
    /// Connections at once of those who have not, or not yet.
    pub strangers: usize,
    /// The same from one address. All sidecars of a node may share one behind its address translation.
    pub strangers_of_source: usize,
    /// Time that each of these has. After it, one may have to leave for another. A sidecar needs a few milliseconds for the
    /// handshake and its first request; where processors are short, more.
    pub chance: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            request: Duration::from_secs(5),
            body: Duration::from_secs(2),
            idle: Duration::from_secs(75),
            connections: 20_000,
            strangers: 1_000,
            strangers_of_source: 200,
            chance: Duration::from_millis(500),
        }
    }
}

/// Serves until the shutdown; requests under way then are dropped.
pub async fn serve(listener: TcpListener, config: ServerConfig, answers: Arc<Answers>, limits: Limits, shutdown: Shutdown) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let places = Places::new(limits, Arc::clone(&answers.clock), Arc::clone(&answers.metrics));
    // Dropping the set ends them all.
    let mut connections = JoinSet::new();
    let mut leading = answers.leadership.subscribe();
    let mut led = *leading.borrow_and_update();
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            Ok(()) = leading.changed() => {
                // Two changes may be seen as one: whoever led has lost the lease in between, whatever holds now.
                if led {
                    connections.abort_all();
                    answers.forget();
                    tracing::info!(connections = connections.len(), "no longer leading: closed every connection of the gateway");
                }
                led = *leading.borrow_and_update();
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, source)) => match places.take(source.ip()) {
                    Ok(place) => {
                        connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&answers), limits, place));
                    }
                    Err(reason) => answers.metrics.gateway().refused(reason),
                },
                Err(error) => {
                    // Usually no file descriptors left: trying at once would spin.
                    tracing::warn!(%error, "cannot accept a connection to the gateway");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, answers: Arc<Answers>, limits: Limits, place: Place) {
    let place = Arc::new(place);
    tokio::select! {
        () = place.lost() => {}
        () = converse(stream, acceptor, answers, limits, Arc::clone(&place)) => {}
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, answers: Arc<Answers>, limits: Limits, place: Arc<Place>) {
    // Answers are one small write each: waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(limits.handshake, acceptor.accept(stream)).await else {
        answers.metrics.gateway().refused(Closed::Handshake);
        return;
    };
    let service = service_fn(move |request| {
        let (answers, place) = (Arc::clone(&answers), Arc::clone(&place));
        async move { Ok::<_, Infallible>(answers.answer(request, limits, &place).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper counts this from the end of the last request, so it can't tell idle from slow: `Timed` does.
        .header_read_timeout(limits.idle + limits.request)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(Timed::new(stream, limits.request, limits.idle)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to the gateway ended early");
    }
}

#[cfg(test)]
mod tests;
