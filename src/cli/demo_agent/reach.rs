//! Who reaches whom: the demo agent takes connections, and tries to make some.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::Error;

/// What takes longer was dropped on its way.
const PATIENCE: Duration = Duration::from_secs(3);

/// Takes every connection to this port, and ends it at once.
pub(super) fn listen(port: u16) -> std::io::Result<()> {
    let any = std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    // A kernel without IPv6 has no such address.
    let listener = any.or_else(|_| std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    Ok(())
}

/// Prints a line for each address: `reached`, `refused` (nobody listens there, but the network let it through), or `blocked`.
pub(super) fn reach(addresses: &[SocketAddr]) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tries = addresses.iter().map(|address| attempt(*address));
    for (address, found) in addresses.iter().zip(runtime.block_on(futures::future::join_all(tries))) {
        println!("{address} {found}");
    }
    Ok(())
}

async fn attempt(address: SocketAddr) -> &'static str {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => "reached",
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => "refused",
        Ok(Err(_)) | Err(_) => "blocked",
    }
}
