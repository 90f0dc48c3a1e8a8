//! Clients that send too much, too slowly, or nothing.

use super::*;

/// As in a cluster, but shorter: real sockets take real time.
fn hasty() -> Limits {
    let (short, long) = (Duration::from_millis(150), Duration::from_mins(1));
    Limits { handshake: short, request: short, body: short, idle: long, ..Limits::default() }
}

#[tokio::test]
async fn a_long_body_is_refused_before_it_is_read() {
    let world = world(Limits::default()).await;
    let mut connection = world.connect().await.unwrap();
    let head = format!("POST /beat HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Length: 1025\r\n\r\n", world.token());
    connection.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut connection).await.unwrap().code, 413);
    assert!(is_closed(&mut connection).await);

    // Without a length it is read until it is too long.
    let mut connection = world.connect().await.unwrap();
    let head = head.replace("Content-Length: 1025", "Transfer-Encoding: chunked");
    let chunk = format!("{head}400\r\n{}\r\n1\r\n \r\n", " ".repeat(1024));
    connection.write_all(chunk.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut connection).await.unwrap().code, 413);
}

#[tokio::test]
async fn a_stranger_is_turned_away_before_the_body() {
    let world = world(hasty()).await;
    let mut connection = world.connect().await.unwrap();
    connection.write_all(b"POST /beat HTTP/1.1\r\nAuthorization: Bearer x\r\nContent-Length: 5\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut connection).await.unwrap().code, 401);
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_refused() {
    let world = world(Limits::default()).await;
    let many = |headers: usize| "X: y\r\n".repeat(headers);
    for (headers, code) in [(many(32), 200), (many(33), 431), (format!("X: {}\r\n", "y".repeat(20_000)), 431)] {
        let mut connection = world.connect().await.unwrap();
        let _ = connection.write_all(format!("GET /health HTTP/1.1\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(answer(&mut connection).await.unwrap().code, code);
    }
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_quick_ones_stay() {
    let world = world(hasty()).await;
    // Nothing at all: neither TLS nor, after it, a request.
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(silent.read_buf(&mut Vec::new()).await.unwrap_or(0), 0);
    assert_eq!(world.metrics.gateway().refusals(Closed::Handshake), 1);
    assert!(is_closed(&mut world.connect().await.unwrap()).await);

    let mut half = world.connect().await.unwrap();
    half.write_all(b"POST /beat HTTP/1.1\r\nHo").await.unwrap();
    assert!(is_closed(&mut half).await);

    let mut kept = world.connect().await.unwrap();
    assert_eq!(ask(&mut kept, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200);
    let mut slow = world.connect().await.unwrap();
    let head = format!("POST /beat HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Length: 100\r\n\r\n{{", world.token());
    slow.write_all(head.as_bytes()).await.unwrap();
    // Cut or answered with 408, whichever deadline comes first.
    let answered = answer(&mut slow).await;
    assert!(answered.is_err() || answered.is_ok_and(|answer| answer.code == 408));

    // Longer than a request may take has gone by, but between two of them that is no matter.
    assert_eq!(ask(&mut kept, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200);
    kept.write_all(b"P").await.unwrap();
    assert!(is_closed(&mut kept).await, "the next request is held to the same time");
}

#[tokio::test]
async fn a_header_that_drips_is_cut_off_all_the_same() {
    let world = world(hasty()).await;
    let mut connection = world.connect().await.unwrap();
    let dripping = async {
        while connection.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dripping).await.expect("it goes on for ever");
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let world = world(Limits { idle: Duration::from_millis(150), ..Limits::default() }).await;
    let mut connection = world.connect().await.unwrap();
    assert_eq!(ask(&mut connection, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200);
    assert!(is_closed(&mut connection).await);
}

/// Few strangers at once, of whom none is sent away for others of its address.
fn few() -> Limits {
    Limits { strangers: 4, strangers_of_source: 3, chance: Duration::from_mins(10), ..Limits::default() }
}

/// A connection from this address that says nothing.
async fn mute(world: &World, source: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    socket.connect(world.address).await.unwrap()
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_places_come_back() {
    let world = world(few()).await;
    let first = world.connect().await.unwrap();
    let _others = (world.connect().await.unwrap(), world.connect().await.unwrap());
    assert!(world.connect().await.is_err());
    assert_eq!(world.metrics.gateway().refusals(Closed::SourceFull), 1);
    drop(first);
    let back = async {
        while world.connect().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.expect("the place does not come back");
}

#[tokio::test]
async fn no_flood_of_strangers_keeps_sidecars_out() {
    let world = world(few()).await;
    let mut kept = world.connect().await.unwrap();
    assert_eq!(ask(&mut kept, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200);
    let mut flood = Vec::new();
    for number in 0..20 {
        flood.push(mute(&world, &format!("127.0.0.{}", 2 + number % 2)).await);
    }
    let full = async {
        while world.metrics.gateway().refusals(Closed::SourceFull) + world.metrics.gateway().refusals(Closed::Full) < 16 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), full).await.expect("all are let in");
    assert_eq!(ask(&mut kept, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200, "it is not of them");
    let other = "5d1c9f1e-0000-4000-8000-0000000000fe";
    world.ledger().enter(Uid::read(other).unwrap(), 15, true, SystemClock.monotonic());
    let token = world.issuer.token(&claims(other, SystemClock.now()));
    let mut newcomer = world.connect().await.unwrap();
    assert_eq!(ask(&mut newcomer, "POST /admission", Some(&token), r#"{"protocol":1}"#).await.unwrap().code, 200);
    assert_eq!(world.metrics.gateway().refusals(Closed::Evicted), 1, "there were fewer from its address");
    for (connection, token) in [(&mut kept, world.token()), (&mut newcomer, token)] {
        assert_eq!(ask(connection, "POST /beat", Some(&token), BEAT).await.unwrap().code, 200, "both stay");
    }
}

#[tokio::test]
async fn behind_an_attackers_address_a_new_sidecar_gets_its_turn() {
    let world = world(Limits { chance: Duration::ZERO, ..few() }).await;
    let mut flood = Vec::new();
    for _ in 0..20 {
        flood.push(mute(&world, "127.0.0.1").await);
    }
    assert_eq!(world.beat().await.code, 200);
}

#[tokio::test]
async fn a_pod_that_is_no_agent_is_answered_but_not_for_long() {
    let world = world(Limits::default()).await;
    let token = world.issuer.token(&claims("5d1c9f1e-0000-4000-8000-0000000000fe", SystemClock.now()));
    for (path, body, code) in [("POST /beat", BEAT, 410), ("POST /admission", r#"{"protocol":1}"#, 200)] {
        let mut connection = world.connect().await.unwrap();
        let answer = ask(&mut connection, path, Some(&token), body).await.unwrap();
        assert_eq!((answer.code, answer.head.contains("connection: close")), (code, true));
        assert!(is_closed(&mut connection).await);
    }
    assert_eq!(world.ledger().entered(), 1, "it leaves nothing");
    // What comes to nothing is borne for a while; the connection of an agent at the same address is not touched.
    let mut agent = world.connect().await.unwrap();
    assert_eq!(ask(&mut agent, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200);
    let flood = async {
        while world.metrics.gateway().refusals(Closed::Tiresome) == 0 {
            drop(TcpStream::connect(world.address).await);
        }
    };
    tokio::time::timeout(Duration::from_mins(1), flood).await.expect("it is borne for ever");
    assert_eq!(ask(&mut agent, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200);
}

#[tokio::test]
async fn without_a_certificate_nobody_connects() {
    let world = world(Limits::default()).await;
    let empty = Identity::default().config().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(empty)).accept(stream).await.is_err()
    };
    let (refused, connected) = tokio::join!(accept, connect(address, &world.bundle));
    assert!(refused && connected.is_err());
}
