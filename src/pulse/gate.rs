//! The gate before the agent: its startup probe asks here, and is answered only when the agent may start.

use std::io::Read;
use std::os::unix::net::UnixStream as ProbeStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

const YES: &[u8] = b"admitted\n";
const MOST_PROBES: usize = 32;

/// Why a probe says no.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// Nobody answers there.
    #[error("the sidecar does not run yet: {0}")]
    NoSidecar(std::io::Error),
    /// The answer did not come in time.
    #[error("the agent is not admitted yet")]
    NotYet,
}

/// Makes the socket, in place of one that an earlier run left.
///
/// # Errors
/// The folder or the socket can't be made.
pub fn listen(socket: &Path) -> std::io::Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    UnixListener::bind(socket)
}

/// Holds every probe until `admitted` says so; never returns.
pub async fn serve(listener: UnixListener, admitted: watch::Receiver<bool>) {
    let probes = Arc::new(Semaphore::new(MOST_PROBES));
    while let Ok(permit) = Arc::clone(&probes).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let admitted = admitted.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    answer(stream, admitted).await;
                });
            }
            // Usually no file descriptors left: trying at once would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer(mut stream: UnixStream, mut admitted: watch::Receiver<bool>) {
    tokio::select! {
        yes = admitted.wait_for(|admitted| *admitted) => {
            if yes.is_err() {
                return;
            }
        }
        // A probe says nothing: it has given up.
        _ = stream.read_u8() => return,
    }
    // One that has just given up is no trouble.
    let _ = stream.write_all(YES).await;
}

/// The probe: returns once the agent is admitted. It blocks, and is done in a moment once it is answered.
///
/// # Errors
/// There is no sidecar, or the agent is not admitted within `timeout`.
pub fn wait(socket: &Path, timeout: Duration) -> Result<(), NotAdmitted> {
    let mut stream = ProbeStream::connect(socket).map_err(NotAdmitted::NoSidecar)?;
    stream.set_read_timeout(Some(timeout)).map_err(NotAdmitted::NoSidecar)?;
    let mut answer = [0; YES.len()];
    stream.read_exact(&mut answer).map_err(|_| NotAdmitted::NotYet)?;
    if answer == YES { Ok(()) } else { Err(NotAdmitted::NotYet) }
}
