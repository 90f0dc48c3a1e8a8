//! The demo agent asks a model as any program of its kind does: over TLS, through the proxy that the environment names, and
//! without a key.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Error;
use super::voice::Mind;
use super::work::{BEAT, say};
use crate::api::beat::kept;

/// For a whole question, with its connections.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 4096;

/// A model, and the way to it.
pub(super) struct Model {
    host: String,
    port: u16,
    path: String,
    /// Name or address of the proxy, and its port.
    proxy: (String, u16),
    trust: Arc<ClientConfig>,
}

impl Model {
    /// The model at this URL, by the proxy of `HTTPS_PROXY`. `SSL_CERT_FILE` has the certificates that are trusted.
    ///
    /// # Errors
    /// The URL is none with https, or the environment does not say enough.
    pub(super) fn new(url: &Uri) -> Result<Self, Error> {
        let set = |name: &str| std::env::var(name).map_err(|_| format!("the environment has no {name}"));
        let (host, port) = place(url, "https", 443)?;
        let proxy = place(&set("HTTPS_PROXY")?.parse()?, "http", 80)?;
        let bundle = std::fs::read(set("SSL_CERT_FILE")?)?;
        let path = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { host, port, path, proxy, trust: trust(&bundle)? })
    }

    /// What the model answers.
    ///
    /// # Errors
    /// There is no answer; the text says who refused.
    pub(super) async fn ask(&self) -> Result<String, Error> {
        tokio::time::timeout(TIMEOUT, self.question()).await.map_err(|_| "no answer in time")?
    }

    async fn question(&self) -> Result<String, Error> {
        let tunnel = self.tunnel().await?;
        let name = ServerName::try_from(self.host.clone())?;
        let stream = TlsConnector::from(Arc::clone(&self.trust)).connect(name, tunnel).await?;
        let body = serde_json::json!({"prompt": "what shall I do next?"}).to_string();
        let request = Request::post(&self.path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let (status, answer) = text(send(stream, request).await?).await?;
        let said: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        match said["completion"].as_str() {
            Some(completion) if status == StatusCode::OK => Ok(kept(completion)),
            Some(_) | None => Err(format!("the model refuses: {status}: {}", kept(&answer)).into()),
        }
    }

    /// A connection to the model that the proxy makes. The proxy also finds the model's address: from `Level2` on an agent
    /// has no DNS.
    async fn tunnel(&self) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Error> {
        let (host, port) = &self.proxy;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| format!("no way to the proxy: {error}"))?;
        let target = format!("{}:{}", self.host, self.port);
        let request = Request::builder().method(Method::CONNECT).uri(&target).header(HOST, &target).body(Empty::<Bytes>::new())?;
        let answer = send(stream, request).await?;
        if answer.status() != StatusCode::OK {
            let (status, why) = text(answer).await?;
            return Err(format!("the proxy refuses: {status}: {}", kept(&why)).into());
        }
        Ok(TokioIo::new(hyper::upgrade::on(answer).await?))
    }
}

/// Asks the model every few seconds and says what comes of it, until the agent hangs.
pub(super) fn keep_asking(model: Model, mind: Arc<Mind>) {
    tokio::spawn(async move {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            beat.tick().await;
            if mind.hangs() {
                return;
            }
            match model.ask().await {
                Ok(answer) => say(&format!("the model says: {answer}")),
                Err(error) => say(&format!("the model says nothing: {error}")),
            }
        }
    });
}

/// Asks once.
pub(super) fn ask(url: &Uri) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(Model::new(url)?.ask())?);
    Ok(())
}

async fn send<B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<B>,
) -> Result<Response<hyper::body::Incoming>, Error>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
{
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Whoever sent the request hears how it ended.
    tokio::spawn(connection.with_upgrades());
    Ok(requests.send_request(request).await?)
}

async fn text(answer: Response<hyper::body::Incoming>) -> Result<(StatusCode, String), Error> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn place(url: &Uri, scheme: &str, port: u16) -> Result<(String, u16), Error> {
    match url.host() {
        Some(host) if url.scheme_str() == Some(scheme) => Ok((host.to_owned(), url.port_u16().unwrap_or(port))),
        Some(_) | None => Err(format!("{url} is no URL that begins with {scheme}://").into()),
    }
}

fn trust(bundle: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok));
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
