//! An issuer of tokens and an API server that knows its keys, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

pub const POD: &str = "5d1c9f1e-0000-4000-8000-0000000000ff";

pub struct Issuer {
    id: &'static str,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    /// Signs with a key of this name.
    pub fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id, pair, random }
    }

    pub fn published(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        json!({"keys": [{"kid": self.id, "kty": "EC", "crv": "P-256", "x": x, "y": y}]}).to_string()
    }

    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": self.id});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub fn claims(pod: &str, now: DateTime<Utc>) -> Value {
    json!({
        "iss": "https://issuer", "aud": ["lazarus-gateway"], "exp": now.timestamp() + 600, "nbf": now.timestamp(),
        "kubernetes.io": {"namespace": "missions", "pod": {"name": "p", "uid": pod}},
    })
}

/// A client of an API server that publishes what `set` returns, and how often it was asked for it.
pub fn api(set: impl Fn() -> Option<String> + Send + 'static) -> (Client, Arc<AtomicUsize>) {
    let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some((request, respond)) = server.next_request().await {
            let text = match request.uri().path() {
                "/.well-known/openid-configuration" => Some(json!({"issuer": "https://issuer"}).to_string()),
                "/openid/v1/jwks" => {
                    count.fetch_add(1, Ordering::SeqCst);
                    set()
                }
                other => panic!("nobody asks for {other}"),
            };
            let status = if text.is_some() { 200 } else { 500 };
            respond.send_response(Response::builder().status(status).body(text.unwrap_or_default().into_bytes().into()).unwrap());
        }
    });
    (Client::new(service, "default"), asked)
}
