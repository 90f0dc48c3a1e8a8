#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::DateTime;
use http::{Request, Response};
use kube::client::Body;

use super::*;
use crate::runtime::clock::ManualClock;

fn guarded(leadership: Leadership, timeout: Duration) -> Guarded {
    let (service, _server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    Guarded::new(Client::new(service, "default"), leadership, timeout, Arc::new(Metrics::new()))
}

fn failure(code: u16, reason: &str, message: &str) -> kube::Error {
    kube::Error::Api(Status::failure(message, reason).with_code(code).boxed())
}

async fn failed(error: kube::Error) -> WriteError {
    let guarded = guarded(Leadership::always(), Duration::from_secs(5));
    guarded.write::<()>(Verb::Create, Kind::Pod, async { Err(error) }).await.unwrap_err()
}

#[tokio::test]
async fn without_the_lease_nothing_is_sent_or_counted() {
    let sent = AtomicUsize::new(0);
    let leadership = Leadership::none(Arc::new(ManualClock::new(DateTime::UNIX_EPOCH)));
    let guarded = guarded(leadership, Duration::from_secs(5));
    let call = async {
        sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let error = guarded.write(Verb::Create, Kind::Pod, call).await.unwrap_err();
    assert_eq!((error.category(), sent.load(Ordering::Relaxed)), (Category::NotLeader, 0));
    assert_eq!(guarded.metrics.writes(Verb::Create, Kind::Pod), 0);
}

#[tokio::test]
async fn a_write_that_does_not_answer_is_given_up() {
    let guarded = guarded(Leadership::always(), Duration::from_millis(20));
    let error = guarded.write::<()>(Verb::Delete, Kind::Pod, std::future::pending()).await.unwrap_err();
    assert_eq!(error.category(), Category::TimedOut);
    assert_eq!(error.to_string(), "cannot delete Pod: no answer after 0.02 s; it may still happen");
    assert_eq!(guarded.metrics.writes(Verb::Delete, Kind::Pod), 1);
    assert_eq!(guarded.write(Verb::Delete, Kind::Pod, async { Ok(7) }).await.unwrap(), 7);
}

#[tokio::test]
async fn errors_are_told_apart() {
    let conflict = failed(failure(409, "Conflict", "changed")).await;
    assert!(conflict.is_conflict() && !conflict.already_exists() && conflict.refused().is_none());
    let exists = failed(failure(409, "AlreadyExists", "exists")).await;
    assert!(exists.already_exists() && !exists.is_conflict());
    let gone = failed(failure(404, "NotFound", "gone")).await;
    assert!(gone.not_found() && gone.category() == Category::NotFound);
    for (code, reason) in [(400, "BadRequest"), (403, "Forbidden"), (422, "Invalid")] {
        let refused = failed(failure(code, reason, "exceeded quota: mission")).await;
        assert_eq!(refused.refused().as_deref(), Some("exceeded quota: mission"));
        assert_eq!(refused.category(), Category::Refused);
        assert_eq!(refused.to_string(), "cannot create Pod: exceeded quota: mission");
    }
    for (code, reason) in [(429, "TooManyRequests"), (500, "InternalError"), (503, "")] {
        let error = failed(failure(code, reason, "")).await;
        assert_eq!((error.category(), error.refused()), (Category::Unavailable, None));
    }
}
