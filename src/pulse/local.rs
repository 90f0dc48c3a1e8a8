//! The door for the agent: a small HTTP server on the pod's loopback.
//!
//! Whatever comes in may be hostile. It is bounded in size, number and time, so that it can't stop the reports: one short
//! request per connection, and further connections wait in the kernel.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::post::{LONGEST_POST, Post};
use super::state::State;

const MOST_CONNECTIONS: usize = 32;
const MOST_HEADERS: usize = 32;
/// For a connection from its beginning to its end, and so for its header and its body.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);

/// Listens on `port` of the loopback, again and again if it is taken, and serves; never returns.
pub async fn serve(port: u16, state: Arc<State>) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut taken = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) if !taken => {
                tracing::error!(%address, %error, "cannot listen for the agent; does it use this port itself? Trying again");
                taken = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    };
    tracing::info!(%address, "listening for the agent");
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let _permit = permit;
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection(stream, state)).await;
                });
            }
            // Usually no file descriptors left: trying at once would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer(request, &state).await) }
    });
    // How a connection ended is the agent's business.
    let _ = http1::Builder::new()
        // Without a timer hyper's header timeout does not work.
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIMEOUT)
        // An idle connection would keep its place from others, and be closed just when the agent uses it again.
        .keep_alive(false)
        .max_headers(MOST_HEADERS)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let method = match request.uri().path() {
        "/heartbeat" => Method::POST,
        "/health" => Method::GET,
        _ => return refusal(StatusCode::NOT_FOUND, "there are POST /heartbeat and GET /health"),
    };
    if request.method() != method {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("only {method}"));
        let allow = if method == Method::POST { "POST" } else { "GET" };
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        return response;
    }
    if method == Method::GET {
        return respond(StatusCode::OK, &state.health());
    }
    let body = match Limited::new(request.into_body(), LONGEST_POST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the body is longer than {LONGEST_POST} bytes");
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, &message);
        }
        Err(_) => return refusal(StatusCode::BAD_REQUEST, "the body can't be read"),
    };
    let now = state.clock.now();
    match Post::read(&body, now) {
        Ok(post) => {
            state.posted(post);
            let timestamp = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            respond(
                StatusCode::OK,
                &json!({"status": "ok", "agent": state.agent, "timestamp": timestamp, "holds": state.holds()}),
            )
        }
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn refusal(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    respond(status, &json!({"status": "error", "message": message}))
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
