//! A client that speaks TLS, and HTTP as plain text.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub type Connection = TlsStream<TcpStream>;

pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    async fn write_all(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|context| Pin::new(&mut *self).poll_write(context, bytes)).await?;
            bytes = &bytes[written..];
        }
        poll_fn(|context| Pin::new(&mut *self).poll_flush(context)).await
    }

    /// What comes next, of which there may be nothing any more.
    async fn read_buf(&mut self, seen: &mut Vec<u8>) -> std::io::Result<usize> {
        let mut bytes = [0; 4096];
        let mut buffer = ReadBuf::new(&mut bytes);
        poll_fn(|context| Pin::new(&mut *self).poll_read(context, &mut buffer)).await?;
        seen.extend(buffer.filled());
        Ok(buffer.filled().len())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

pub async fn connect(address: SocketAddr, bundle: &str) -> std::io::Result<Connection> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("lazarus-gateway").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: Value,
}

pub async fn ask(connection: &mut Connection, head: &str, token: Option<&str>, body: &str) -> std::io::Result<Answer> {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("{head} HTTP/1.1\r\nHost: gateway\r\n{token}Content-Length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).await?;
    answer(connection).await
}

pub async fn answer(connection: &mut Connection) -> std::io::Result<Answer> {
    let mut seen = Vec::new();
    let head = loop {
        if connection.read_buf(&mut seen).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = seen.split_off(end + 4);
            break String::from_utf8(std::mem::replace(&mut seen, body)).unwrap();
        }
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    while seen.len() < length {
        assert_ne!(connection.read_buf(&mut seen).await?, 0, "cut within the body");
    }
    let code = head[9..12].parse().unwrap();
    Ok(Answer { code, head, body: serde_json::from_slice(&seen).unwrap_or_default() })
}

/// Whether the server ends the connection, in one way or the other.
pub async fn is_closed(connection: &mut Connection) -> bool {
    let mut rest = Vec::new();
    let all = async { while connection.read_buf(&mut rest).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("still open");
    rest.is_empty()
}
