//! A small gateway: real TLS, answers as told, and every request to be looked at.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

pub const ADMITTED: &str = r#"{"admitted":true}"#;
pub const NOT_YET: &str = r#"{"admitted":false,"retrySeconds":1}"#;
/// The gateway closes the connection after it, as it does with idle ones.
pub const TAKEN_FOR_NOW: &str = r#"{"nextHeartbeatSeconds":1,"hangUp":true}"#;
pub const TAKEN: &str = r#"{"nextHeartbeatSeconds":1}"#;
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub bundle: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let bundle = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), bundle }
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// One request: on which connection, where to, with which token, and what it said.
#[derive(Debug)]
pub struct Asked {
    pub connection: usize,
    pub path: String,
    pub token: String,
    pub body: Value,
}

type Answers = Arc<Mutex<HashMap<&'static str, (u16, String)>>>;

pub struct Gateway {
    pub address: SocketAddr,
    asked: Receiver<Asked>,
    answers: Answers,
    runtime: Option<Runtime>,
}

impl Gateway {
    pub fn start(authority: &Authority) -> Self {
        Self::start_as("lazarus-gateway", authority, "127.0.0.1:0".parse().unwrap())
    }

    pub fn start_as(name: &str, authority: &Authority, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, received) = channel();
        let answers = Answers::default();
        runtime.spawn(serve(listener, authority.acceptor(name), asked, Arc::clone(&answers)));
        let gateway = Self { address, asked: received, answers, runtime: Some(runtime) };
        gateway.answer("/admission", 200, ADMITTED);
        gateway.answer("/beat", 200, TAKEN);
        gateway
    }

    /// From now on.
    pub fn answer(&self, path: &'static str, status: u16, body: &str) {
        self.answers.lock().unwrap().insert(path, (status, body.into()));
    }

    /// The next request.
    pub fn next(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).expect("no request came")
    }

    /// The next request like this.
    pub fn next_where(&self, wanted: impl Fn(&Asked) -> bool) -> Asked {
        for _ in 0..100 {
            let asked = self.next();
            if wanted(&asked) {
                return asked;
            }
        }
        panic!("no such request came");
    }

    pub fn beat(&self) -> Asked {
        self.next_where(|asked| asked.path == "/beat")
    }

    /// How many requests come within this time.
    pub fn count(&self, time: Duration) -> usize {
        let mut count = 0;
        let end = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() + time;
        while let Some(left) = end.checked_sub(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap()) {
            count += usize::from(self.asked.recv_timeout(left).is_ok());
        }
        count
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, asked: Sender<Asked>, answers: Answers) {
    let connections = Arc::new(AtomicUsize::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, asked, answers) = (acceptor.clone(), asked.clone(), Arc::clone(&answers));
        let connections = Arc::clone(&connections);
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let connection = connections.fetch_add(1, Ordering::Relaxed);
            let service = service_fn(move |request| answer(request, connection, asked.clone(), Arc::clone(&answers)));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: usize,
    asked: Sender<Asked>,
    answers: Answers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let token = request.headers()["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, text) = answers.lock().unwrap()[path.as_str()].clone();
    let _ = asked.send(Asked { connection, path, token, body: serde_json::from_slice(&body).unwrap() });
    let answer = Response::builder().status(status);
    let answer = if status == 429 { answer.header("retry-after", "4") } else { answer };
    let answer = if text.contains("hangUp") { answer.header("connection", "close") } else { answer };
    Ok(answer.body(text.into()).unwrap())
}
