//! The way to the gateway: one TLS connection, opened again when it is lost or when the gateway has moved.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::folder::{self, Place};
use super::pace::Failure;
use crate::api::beat::{Admission, Ask, Beat, Refusal, Reply, kept};
use crate::api::names;

/// For a whole request, with the connection that it may need.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 4096;
/// An old and a new authority, and whatever else a careful person adds; a broken file can't hold more of us.
const MOST_AUTHORITIES: usize = 16;
const DEFAULT_PAUSE: u32 = 5;

/// Why a request got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nobody was asked.
    #[error(transparent)]
    Folder(#[from] folder::Error),
    /// The bundle vouches for nobody.
    #[error("{} holds no certificate", names::GATEWAY_BUNDLE_KEY)]
    NoAuthority,
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    /// Too slow.
    #[error("no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
    /// An answer that is none.
    #[error("the answer can't be read")]
    Malformed,
    /// No.
    #[error("refused with {status}: {message}")]
    Refused {
        /// The kind of refusal.
        status: StatusCode,
        /// Its reason.
        message: String,
        /// The pause it asks for, in seconds.
        pause: Option<u32>,
    },
    /// Something in this program is wrong.
    #[error("{0}")]
    Internal(String),
}

impl Trouble {
    /// What this means for the next request; `begun`: the agent was admitted.
    #[must_use]
    pub fn failure(&self, begun: bool) -> Failure {
        match self {
            Self::Folder(_) | Self::NoAuthority => Failure::Local,
            Self::Refused { status: StatusCode::TOO_MANY_REQUESTS, pause, .. } => Failure::Slower(pause.unwrap_or(DEFAULT_PAUSE)),
            // Before admission it may as well be that the pod is not committed yet.
            Self::Refused { status: StatusCode::GONE, .. } if begun => Failure::Gone,
            Self::Refused { pause: Some(pause), .. } => Failure::Slower(*pause),
            _ => Failure::Gateway,
        }
    }
}

/// The way to the gateway that the files in a folder describe, or that is known.
#[derive(Debug)]
pub struct Link {
    way: Way,
    open: Option<Open>,
}

#[derive(Debug)]
enum Way {
    Folder(PathBuf),
    Known(Place, HeaderValue),
}

#[derive(Debug)]
struct Open {
    place: Place,
    requests: SendRequest<Full<Bytes>>,
    // Dropping it closes the connection.
    _driver: JoinSet<()>,
}

impl Link {
    /// Nothing is connected before it is needed.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { way: Way::Folder(folder), open: None }
    }

    /// A way that is known, with the value of the header that proves who asks.
    #[must_use]
    pub fn to(place: Place, authorization: HeaderValue) -> Self {
        Self { way: Way::Known(place, authorization), open: None }
    }

    /// Where the gateway is, as is known now.
    ///
    /// # Errors
    /// The files do not say.
    pub fn place(&self) -> Result<Place, Trouble> {
        match &self.way {
            Way::Folder(folder) => Ok(folder::read(folder)?.0),
            Way::Known(place, _) => Ok(place.clone()),
        }
    }

    /// The next request comes on a connection of its own.
    pub fn begin_anew(&mut self) {
        self.open = None;
    }

    /// Asks whether the agent may start.
    ///
    /// # Errors
    /// There is no usable answer.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Admission, Trouble> {
        self.send("/admission", ask).await
    }

    /// Reports.
    ///
    /// # Errors
    /// The report may not have been taken.
    pub async fn beat(&mut self, beat: &Beat) -> Result<Reply, Trouble> {
        self.send("/beat", beat).await
    }

    async fn send<T: DeserializeOwned>(&mut self, path: &'static str, body: &impl serde::Serialize) -> Result<T, Trouble> {
        let body = serde_json::to_vec(body).map_err(|error| Trouble::Internal(error.to_string()))?;
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.exchange(path, body.into())).await;
        let answer = answer.unwrap_or(Err(Trouble::Timeout));
        // Who was refused for the rate may keep the connection; anything else may be a gateway that is ill.
        let keep = |status: StatusCode| status == StatusCode::TOO_MANY_REQUESTS;
        match &answer {
            Ok(_) => {}
            Err(Trouble::Refused { status, .. }) if keep(*status) => {}
            Err(_) => self.open = None,
        }
        answer
    }

    async fn exchange<T: DeserializeOwned>(&mut self, path: &'static str, body: Bytes) -> Result<T, Trouble> {
        let (place, authorization) = match &self.way {
            Way::Folder(folder) => folder::read(folder)?,
            Way::Known(place, authorization) => (place.clone(), authorization.clone()),
        };
        if let Some(open) = self.open.as_mut().filter(|open| open.place == place) {
            match open.request(path, &authorization, body.clone()).await {
                // A gateway closes what is idle: that is no failure. Reports and questions may come twice.
                Err(Trouble::Broken(_)) => {}
                answered => return read(answered?).await,
            }
        }
        self.open = None;
        let open = self.open.insert(Open::new(place).await?);
        read(open.request(path, &authorization, body).await?).await
    }
}

impl Open {
    async fn new(place: Place) -> Result<Self, Trouble> {
        let connector = TlsConnector::from(Arc::new(trust(&place.bundle)?));
        let name = ServerName::try_from(names::GATEWAY).map_err(|error| Trouble::Internal(error.to_string()))?;
        let stream = TcpStream::connect(&place.address).await.map_err(Trouble::Connect)?;
        stream.set_nodelay(true).map_err(Trouble::Connect)?;
        let stream = connector.connect(name, stream).await.map_err(Trouble::Connect)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(16 * 1024).max_headers(32);
        let (requests, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Trouble::Broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Whoever sends a request hears how it ended.
            let _ = connection.await;
        });
        Ok(Self { place, requests, _driver: driver })
    }

    async fn request(
        &mut self,
        path: &'static str,
        authorization: &HeaderValue,
        body: Bytes,
    ) -> Result<Response<Incoming>, Trouble> {
        self.requests.ready().await.map_err(Trouble::Broken)?;
        let request = Request::post(path)
            .header(HOST, names::GATEWAY)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| Trouble::Internal(error.to_string()))?;
        self.requests.send_request(request).await.map_err(Trouble::Broken)
    }
}

async fn read<T: DeserializeOwned>(answer: Response<Incoming>) -> Result<T, Trouble> {
    let status = answer.status();
    let pause = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await.map_err(|_| Trouble::Malformed)?.to_bytes();
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|_| Trouble::Malformed);
    }
    let message = serde_json::from_slice::<Refusal>(&body).map_or_else(|_| "without a reason".into(), |refusal| refusal.message);
    Err(Trouble::Refused { status, message: kept(&message), pause })
}

/// Trusts the authorities of the bundle and nobody else, not even the public ones.
fn trust(bundle: &[u8]) -> Result<ClientConfig, Trouble> {
    let mut authorities = RootCertStore::empty();
    let (added, _) = authorities
        .add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).take(MOST_AUTHORITIES).filter_map(Result::ok));
    if added == 0 {
        return Err(Trouble::NoAuthority);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Trouble::Internal(error.to_string()))?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    // A resumed session would not show a certificate again.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}
