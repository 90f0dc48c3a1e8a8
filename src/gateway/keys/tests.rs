use std::sync::atomic::Ordering;

use super::super::testing::{Issuer, POD, api, claims};
use super::*;
use crate::runtime::clock::ManualClock;

fn clock() -> ManualClock {
    ManualClock::new(chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap())
}

#[tokio::test]
async fn a_new_key_is_looked_for_once_however_many_ask() {
    let (clock, old, new) = (clock(), Issuer::new("old"), Issuer::new("new"));
    let token = new.token(&claims(POD, clock.now()));
    let published = Arc::new(Mutex::new(old.published()));
    let set = Arc::clone(&published);
    let (client, asked) = api(move || Some(set.lock().unwrap().clone()));
    let keyring = Keyring::new(Arc::new(clock.clone()));
    assert_eq!(keyring.check(&token, &client).await, Err(Denied::NotReady));
    keyring.look(&client).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    published.lock().unwrap().clone_from(&new.published());
    let many = (0..100).map(|_| keyring.check(&token, &client));
    assert!(futures::future::join_all(many).await.iter().all(Result::is_ok));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // The withdrawn key is no longer taken.
    let old = old.token(&claims(POD, clock.now()));
    assert_eq!(keyring.check(&old, &client).await, Err(Denied::Rejected(Rejected::UnknownKey)));
}

#[tokio::test]
async fn forged_key_names_make_one_look_in_ten_seconds() {
    let clock = clock();
    let (client, asked) = api(|| Some(Issuer::new("k").published()));
    let keyring = Keyring::new(Arc::new(clock.clone()));
    keyring.look(&client).await.unwrap();
    let forged = Issuer::new("other").token(&claims(POD, clock.now()));
    for (wait, looks) in [(0, 2), (0, 2), (9, 2), (1, 3), (0, 3)] {
        clock.advance(Duration::from_secs(wait));
        assert_eq!(keyring.check(&forged, &client).await, Err(Denied::Rejected(Rejected::UnknownKey)));
        assert_eq!(asked.load(Ordering::SeqCst), looks);
    }
}

#[tokio::test]
async fn keys_that_are_known_outlast_a_failure_to_read_them() {
    let (clock, issuer) = (clock(), Issuer::new("k"));
    let answers = Arc::new(Mutex::new(vec![Some("nonsense".to_owned()), None, Some(issuer.published())]));
    let (client, _) = api(move || answers.lock().unwrap().pop().unwrap());
    let keyring = Keyring::new(Arc::new(clock.clone()));
    let token = issuer.token(&claims(POD, clock.now()));
    keyring.look(&client).await.unwrap();
    let unavailable = keyring.look(&client).await.unwrap_err();
    assert!(unavailable.to_string().starts_with("cannot read /openid/v1/jwks"), "{unavailable}");
    let nonsense = keyring.look(&client).await.unwrap_err();
    assert!(nonsense.to_string().starts_with("cannot understand /openid/v1/jwks"), "{nonsense}");
    assert_eq!(keyring.check(&token, &client).await.unwrap().namespace, "missions");
}
