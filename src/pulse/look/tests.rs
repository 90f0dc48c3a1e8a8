use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Whether an agent is well that answers like this and then does that.
async fn well(answer: &'static str, then: Then) -> bool {
    well_at("127.0.0.1:0", answer, then).await
}

async fn well_at(address: &str, answer: &'static str, then: Then) -> bool {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let agent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read(&mut [0; 1024]).await.unwrap();
        assert!(read > 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
        match then {
            Then::Close => {}
            Then::Hang => std::future::pending().await,
            Then::Flood => while stream.write_all(&[b'a'; 1024]).await.is_ok() {},
        }
    });
    let endpoint = Endpoint { port, path: "/health?deep=1".into(), timeout: Duration::from_millis(300) };
    let well = endpoint.is_well().await;
    agent.abort();
    well
}

enum Then {
    Close,
    Hang,
    Flood,
}

#[tokio::test]
async fn only_success_in_time_is_well() {
    for (answer, wanted) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", true),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut off", false),
        ("hello\r\n\r\n", false),
        ("", false),
    ] {
        assert_eq!(well(answer, Then::Close).await, wanted, "{answer}");
    }
    assert!(!well("", Then::Hang).await);
    assert!(!well("HTTP/1.1 200 OK\r\n", Then::Hang).await);
    assert!(!well("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", Then::Hang).await);
    assert!(!well("HTTP/1.1 200 OK\r\nX: ", Then::Flood).await, "a head without an end");
    assert!(well("HTTP/1.1 200 OK\r\n\r\n", Then::Flood).await, "of a long answer only the beginning is read");
}

#[tokio::test]
async fn nobody_there_is_not_well() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert!(!Endpoint { port, path: "/".into(), timeout: Duration::from_secs(1) }.is_well().await);
}

#[tokio::test]
async fn an_agent_may_listen_on_either_loopback_or_on_both() {
    for address in ["127.0.0.1:0", "[::1]:0", "[::]:0", "0.0.0.0:0"] {
        assert!(well_at(address, "HTTP/1.1 204 No Content\r\n\r\n", Then::Close).await, "{address}");
        assert!(!well_at(address, "HTTP/1.1 503 Service Unavailable\r\n\r\n", Then::Close).await, "{address}");
        assert!(!well_at(address, "", Then::Hang).await, "{address}");
    }
}
