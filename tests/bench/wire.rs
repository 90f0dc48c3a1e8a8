//! The client's side of a connection: TLS, and HTTP as plain text, so that the load costs little beside what it measures.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use lazarus::api::names;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;

/// Connects to the gateway.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Door {
    /// To the gateway at this address, whose certificate the bundle vouches for.
    pub fn new(address: SocketAddr, bundle: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate?)?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self { address, connector: Arc::new(config).into(), name: ServerName::try_from(names::GATEWAY)? })
    }

    /// Without TLS, from this address.
    pub async fn plain(&self, source: Ipv4Addr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// With TLS.
    pub async fn secure(&self, source: Ipv4Addr) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), self.plain(source).await?).await
    }
}

/// The head of a request with a token.
pub fn head(path: &str, token: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n",
        names::GATEWAY
    )
}

/// Sends a request and reads the answer to its end; says the status.
pub async fn ask(stream: &mut TlsStream<TcpStream>, request: &[u8]) -> io::Result<u16> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut seen = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(status) = whole(&seen) {
            return Ok(status);
        }
    }
}

/// The status of an answer that is there to its last byte.
fn whole(seen: &[u8]) -> Option<u16> {
    let end = seen.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(seen.get(..end)?).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    (seen.len() >= end + length).then_some(status)
}
