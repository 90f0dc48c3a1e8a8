//! A look at an agent that answers HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// As much of an answer as is read, in bytes.
const READ: usize = 4096;
/// Where an agent may listen that listens on the loopback, in the order in which it is looked for: a program that is told
/// `localhost` may take either.
const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Port on the pod's loopback.
    pub port: u16,
    /// Path, with a query if there is one.
    pub path: String,
    /// For the whole answer.
    pub timeout: Duration,
}

impl Endpoint {
    /// Whether the agent answers well: 2xx, with its body or the first 4 KiB of it, in time. Redirects are not followed.
    pub async fn is_well(&self) -> bool {
        matches!(tokio::time::timeout(self.timeout, self.look()).await, Ok(Some(true)))
    }

    /// Whoever takes the connection is the agent: only one of its addresses is asked, so it answers once.
    async fn connect(&self) -> Option<TcpStream> {
        for loopback in LOOPBACKS {
            if let Ok(stream) = TcpStream::connect(SocketAddr::new(loopback, self.port)).await {
                return Some(stream);
            }
        }
        None
    }

    async fn look(&self) -> Option<bool> {
        let stream = self.connect().await?;
        let address = stream.peer_addr().ok()?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(16 * 1024);
        let (mut requests, connection) = builder.handshake(TokioIo::new(stream)).await.ok()?;
        let request = Request::get(&self.path)
            .header(HOST, address.to_string())
            .header(USER_AGENT, concat!("lazarus-pulse/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .ok()?;
        let answer = async {
            let answer = requests.send_request(request).await.ok()?;
            let (well, mut body, mut read) = (answer.status().is_success(), answer.into_body(), 0);
            while let Some(frame) = body.frame().await {
                read += frame.ok()?.data_ref().map_or(0, Bytes::len);
                if read >= READ {
                    break;
                }
            }
            Some(well)
        };
        tokio::pin!(answer);
        tokio::pin!(connection);
        tokio::select! {
            answer = &mut answer => answer,
            // The agent may close the connection before its answer is read to the end.
            _ = &mut connection => answer.await,
        }
    }
}

#[cfg(test)]
mod tests;
