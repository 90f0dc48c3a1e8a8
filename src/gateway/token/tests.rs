use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const POD: &str = "5d1c9f1e-0000-4000-8000-0000000000ff";
const NOW: i64 = 1_800_000_000;

struct Issuer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { pair, random }
    }

    fn keys(&self) -> Keys {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        let set =
            json!({"keys": [{"kid": "k", "kty": "EC", "crv": "P-256", "x": x, "y": y}, {"kid": "o", "kty": "oct", "k": "AAAA"}]});
        Keys::read(set.to_string().as_bytes()).unwrap()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k"})
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer", "aud": ["lazarus-gateway"], "exp": NOW + 600, "nbf": NOW,
        "kubernetes.io": {"namespace": "missions", "pod": {"name": "p", "uid": POD}},
    })
}

fn check(keys: &Keys, token: &str) -> Result<Bearer, Rejected> {
    let expected = Expected { issuer: "https://issuer", audience: "lazarus-gateway" };
    keys.check(token, &expected, DateTime::from_timestamp(NOW, 0).unwrap())
}

#[test]
fn a_good_token_says_whose_it_is() {
    let issuer = Issuer::new();
    let bearer = check(&issuer.keys(), &issuer.token(&header(), &claims())).unwrap();
    assert_eq!(bearer, Bearer { namespace: "missions".into(), account: None, pod: Uid::read(POD).unwrap() });
    let mut claims = claims();
    for (subject, account) in [
        ("system:serviceaccount:missions:scout", Some("scout")),
        ("system:serviceaccount:others:scout", None),
        ("system:serviceaccount:missions:", None),
        ("alice", None),
    ] {
        claims["sub"] = json!(subject);
        let bearer = check(&issuer.keys(), &issuer.token(&header(), &claims)).unwrap();
        assert_eq!((bearer.account.as_deref(), bearer.pod), (account, Uid::read(POD).unwrap()), "{subject}");
    }
}

const ELSEWHERE: &str = "lazarus-gateway/5d1c9f1e-0000-4000-8000-000000000000/oracle/1";

fn elsewhere() -> Value {
    json!({
        "iss": "https://issuer", "aud": [ELSEWHERE], "exp": NOW + 600, "nbf": NOW,
        "sub": "system:serviceaccount:missions:watch-external",
        "kubernetes.io": {"namespace": "missions", "serviceaccount": {"name": "watch-external", "uid": "a"}},
    })
}

#[test]
fn an_agent_elsewhere_is_known_by_its_account_and_audience() {
    let issuer = Issuer::new();
    let with = |path: &str, value: Value| {
        let mut claims = elsewhere();
        let (parent, key) = path.rsplit_once('/').unwrap();
        claims.pointer_mut(parent).unwrap()[key] = value;
        check(&issuer.keys(), &issuer.token(&header(), &claims))
    };
    let good = with("/exp", json!(NOW + 1)).unwrap();
    let uid = |namespace, account, audience| Uid::read(&external::uid(namespace, account, audience)).unwrap();
    let account = Some("watch-external".to_owned());
    assert_eq!(good, Bearer { namespace: "missions".into(), account, pod: uid("missions", "watch-external", ELSEWHERE) });
    assert_eq!(with("/aud", json!(ELSEWHERE)), Ok(good.clone()));
    assert_eq!(with("/aud", json!([ELSEWHERE, "https://cluster"])), Ok(good.clone()), "it is also good elsewhere");

    let other = with("/sub", json!("system:serviceaccount:missions:default")).unwrap();
    assert_eq!(other.pod, uid("missions", "default", ELSEWHERE), "a stranger");
    assert_ne!(other.pod, good.pod);
    for (path, value, rejected) in [
        ("/kubernetes.io/pod", json!({"name": "p", "uid": POD}), Rejected::Bound),
        ("/kubernetes.io/pod", json!({"name": "p", "uid": ""}), Rejected::Bound),
        ("/kubernetes.io", Value::Null, Rejected::Account),
        ("/sub", Value::Null, Rejected::Account),
        ("/sub", json!("alice"), Rejected::Account),
        ("/sub", json!("system:serviceaccount:others:watch-external"), Rejected::Account),
        ("/aud", json!([ELSEWHERE, "lazarus-gateway"]), Rejected::Audience),
        ("/aud", json!([ELSEWHERE, format!("{ELSEWHERE}1")]), Rejected::Audience),
        ("/aud", json!([ELSEWHERE, ELSEWHERE]), Rejected::Audience),
        ("/aud", json!([]), Rejected::Audience),
        ("/exp", json!(NOW - 30), Rejected::Time),
        ("/iss", json!("https://other"), Rejected::Issuer),
    ] {
        assert_eq!(with(path, value.clone()), Err(rejected), "{path} {value}");
    }
}

#[test]
fn whose_a_signed_token_is_that_was_rejected_is_known() {
    let issuer = Issuer::new();
    let signed_for = |claims: &Value, rejected: Rejected| rejected.signed_for(&issuer.token(&header(), claims));
    let good = check(&issuer.keys(), &issuer.token(&header(), &elsewhere())).unwrap();
    assert_eq!(signed_for(&elsewhere(), Rejected::Time), Some(good.pod));
    assert_eq!(signed_for(&claims(), Rejected::Time), Uid::read(POD));
    assert_eq!(signed_for(&elsewhere(), Rejected::Signature), None);
    assert_eq!(signed_for(&json!({}), Rejected::Time), None);
}

#[test]
fn each_thing_that_can_be_wrong_is_told_apart() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let keys = issuer.keys();
    let with = |path: &str, value: Value| {
        let mut claims = claims();
        *claims.pointer_mut(path).unwrap() = value;
        check(&keys, &issuer.token(&header(), &claims))
    };
    assert_eq!(with("/iss", json!("https://other")), Err(Rejected::Issuer));
    assert_eq!(with("/aud", json!("kubernetes")), Err(Rejected::Audience));
    assert_eq!(with("/aud/0", json!("lazarus-gateways")), Err(Rejected::Audience));
    assert_eq!(with("/aud/0", json!("lazarus-gateway/cell/agent/1")), Err(Rejected::Bound));
    assert_eq!(with("/exp", json!(NOW - 30)), Err(Rejected::Time));
    assert_eq!(with("/nbf", json!(NOW + 31)), Err(Rejected::Time));
    assert_eq!(with("/kubernetes.io/pod", Value::Null), Err(Rejected::Unbound));
    assert_eq!(with("/kubernetes.io/pod/uid", json!("x")), Err(Rejected::Unbound));
    assert_eq!(with("/exp", json!("soon")), Err(Rejected::Malformed));

    assert_eq!(check(&keys, &other.token(&header(), &claims())), Err(Rejected::Signature));
    for algorithm in ["none", "None", "HS256", "RS512", ""] {
        let token = issuer.token(&json!({"alg": algorithm, "kid": "k"}), &claims());
        assert_eq!(check(&keys, &token), Err(Rejected::Algorithm), "{algorithm}");
    }
    // The key is the issuer's, but not for this algorithm.
    assert_eq!(check(&keys, &issuer.token(&json!({"alg": "RS256", "kid": "k"}), &claims())), Err(Rejected::Signature));
    for header in [json!({"alg": "ES256"}), json!({"alg": "ES256", "kid": "o"}), json!({"alg": "ES256", "kid": "new"})] {
        assert_eq!(check(&keys, &issuer.token(&header, &claims())), Err(Rejected::UnknownKey));
    }
}

#[test]
fn no_mutation_of_a_token_is_taken_and_none_panics() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    let token = issuer.token(&header(), &claims());
    for length in 0..token.len() {
        assert!(check(&keys, &token[..length]).is_err());
    }
    for place in 0..token.len() {
        for byte in [b'A', b'.', b'_', b'=', b'0'] {
            let mut mutated = token.clone().into_bytes();
            // The last character of base64 may hold bits that nobody reads.
            if mutated[place] != byte && place + 1 < token.len() {
                mutated[place] = byte;
                assert!(check(&keys, &String::from_utf8(mutated).unwrap()).is_err(), "{place}");
            }
        }
    }
    assert_eq!(check(&keys, &"a.".repeat(LONGEST)), Err(Rejected::Malformed));
}
