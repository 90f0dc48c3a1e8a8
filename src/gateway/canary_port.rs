//! The port that no agent may reach. Whoever is taken here is held back by no NetworkPolicy, and finds that out by it.

use std::time::Duration;

use tokio::net::TcpListener;

/// Takes every connection and closes it at once, so that there is never more than one; nothing is read or written.
pub(super) async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(stream),
            Err(error) => {
                // Usually no file descriptors left: trying at once would spin.
                tracing::warn!(%error, "cannot accept a connection to the port that no agent may reach");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn everybody_is_taken_and_hung_up_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(serve(listener));
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
        served.abort();
    }
}
