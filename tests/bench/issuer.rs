//! The cluster's issuer of tokens: one key, and a token for each agent, as long as real ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazarus::api::names;
use lazarus::runtime::clock::{Clock, SystemClock};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::Result;

/// What the issuer calls itself.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Long enough for any run.
const LIFE_SECONDS: i64 = 24 * 3600;

/// Signs tokens with ES256.
pub struct Issuer {
    id: &'static str,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

/// UID of the pod of one agent.
pub fn uid(index: usize) -> String {
    format!("5d1c9f1e-0000-4000-8000-{index:012x}")
}

impl Issuer {
    /// Makes a key of this name.
    pub fn new(id: &'static str) -> Result<Self> {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(|_| "no key can be made")?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        let pair = pair.map_err(|_| "the key can't be used")?;
        Ok(Self { id, pair, random })
    }

    /// The set of keys as the API server publishes it.
    pub fn published(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref().split_at(1).1.split_at(32);
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        json!({"keys": [{"use": "sig", "kid": self.id, "kty": "EC", "alg": "ES256", "crv": "P-256", "x": x, "y": y}]}).to_string()
    }

    /// A token bound to the pod of this agent, with all that the API server puts into one.
    pub fn token(&self, agent: usize) -> Result<String> {
        let now = SystemClock.now().timestamp();
        let claims = json!({
            "aud": [names::AUDIENCE], "exp": now + LIFE_SECONDS, "iat": now, "nbf": now, "iss": ISSUER, "jti": uid(agent),
            "kubernetes.io": {
                "namespace": "missions",
                "node": {"name": "node-0001", "uid": uid(agent)},
                "pod": {"name": format!("mission-{agent}-worker-0-abcde"), "uid": uid(agent)},
                "serviceaccount": {"name": "default", "uid": uid(agent)},
            },
            "sub": "system:serviceaccount:missions:default",
        });
        self.sign(&claims)
    }

    fn sign(&self, claims: &Value) -> Result<String> {
        let header = json!({"alg": "ES256", "kid": self.id, "typ": "JWT"});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&self.random, signed.as_bytes()).map_err(|_| "a token can't be signed")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
