//! The probe and metrics endpoint: plain HTTP on port 8080, for the kubelet and Prometheus.
//!
//! It is reachable inside the cluster without authentication, so it answers little and holds little: a few
//! connections, one request each, short times.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::leadership::Leadership;
use super::shutdown::Shutdown;
use crate::report::metrics::Metrics;

/// Where the endpoint listens: all addresses, port 8080.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8080);

const MOST_CONNECTIONS: usize = 32;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers a probe: `Err` says in a few words what is wrong. Called for each request, so it must not block.
pub type Probe = Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// What the endpoint answers from.
pub struct Answers {
    /// `/healthz`: the controller task lives and has made progress; a failure restarts the container.
    pub alive: Probe,
    /// `/readyz`: the watches are synced.
    pub ready: Probe,
    /// `/metrics`.
    pub metrics: Arc<Metrics>,
    /// The value of `lazarus_leader`.
    pub leadership: Leadership,
}

/// Serves until the shutdown; requests under way then are dropped.
pub async fn serve(listener: TcpListener, answers: Answers, shutdown: Shutdown) {
    let answers = Arc::new(answers);
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The permit comes before the accept: further connections wait in the kernel's queue.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.requested() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    let _permit = permit;
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection(stream, answers)).await;
                });
            }
            Err(error) => {
                // Usually no file descriptors left: trying at once would spin.
                tracing::warn!(%error, "cannot accept a probe connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, answers: Arc<Answers>) {
    let service = service_fn(move |request| {
        let answer = answers.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        // Without a timer hyper's header timeout does not work.
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "probe connection ended early");
    }
}

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if request.method() != Method::GET {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return response;
        }
        match path {
            "/healthz" => probe(&self.alive),
            "/readyz" => probe(&self.ready),
            _ => {
                self.metrics.set_leader(self.leadership.is_leader());
                let mut response = text(StatusCode::OK, self.metrics.encode());
                let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
        }
    }
}

fn probe(probe: &Probe) -> Response<Full<Bytes>> {
    match probe() {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
