//! Forged tokens and reports, 100,000 of them: none is taken, none panics, and what they were made from is taken.

#![cfg(test)]

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use lazarus::api::beat::{Beat, LONGEST_BODY};
use lazarus::api::external;
use lazarus::gateway::ledger::{Ledger, Uid};
use lazarus::gateway::token::{Expected, Keys};
use lazarus::runtime::clock::{Clock, SystemClock};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

const FORGERIES: usize = 100_000;
const POD: &str = "5d1c9f1e-0000-4000-8000-0000000000ff";
/// Was committed once.
const LEFT: &str = "5d1c9f1e-0000-4000-8000-0000000000fe";
const CELL: &str = "5d1c9f1e-0000-4000-8000-0000000000cc";
const NOW: i64 = 1_800_000_000;
const BEAT: &[u8] = br#"{"protocol":1,"agent":"Healthy","silentSeconds":3,"status":"thinking","cycle":7}"#;

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap())
    }

    fn point(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn token(&self, header: &Value, claims: &str) -> String {
        let signed = signed(header, claims);
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn with(&self, path: &str, value: Value) -> String {
        let mut claims = claims(POD);
        *claims.pointer_mut(path).unwrap() = value;
        self.token(&header("ES256"), &claims.to_string())
    }

    /// That of an agent elsewhere, with this in place of what it says; null is nothing.
    fn elsewhere(&self, path: &str, value: Value) -> String {
        let mut claims = claims_elsewhere();
        let (parent, key) = path.rsplit_once('/').unwrap();
        claims.pointer_mut(parent).unwrap()[key] = value;
        self.token(&header("ES256"), &claims.to_string())
    }
}

fn header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "kid": "k"})
}

fn claims(pod: &str) -> Value {
    json!({
        "iss": "https://issuer", "aud": ["lazarus-gateway"], "exp": NOW + 600, "nbf": NOW,
        "kubernetes.io": {"namespace": "missions", "pod": {"name": "p", "uid": pod}},
    })
}

/// Those of an agent elsewhere; each change makes them another's, or nobody's.
fn claims_elsewhere() -> Value {
    json!({
        "iss": "https://issuer", "aud": [external::audience(CELL, "oracle", 2)], "exp": NOW + 600, "nbf": NOW,
        "sub": format!("system:serviceaccount:missions:{}", external::account("watch")),
        "kubernetes.io": {"namespace": "missions", "serviceaccount": {"name": external::account("watch"), "uid": CELL}},
    })
}

fn signed(header: &Value, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims))
}

struct Gateway {
    keys: Keys,
    ledger: Ledger,
    now: Instant,
}

impl Gateway {
    /// The checks of `POST /beat`, in their order.
    fn takes(&mut self, token: &[u8], body: &[u8]) -> bool {
        let expected = Expected { issuer: "https://issuer", audience: "lazarus-gateway" };
        let now: DateTime<Utc> = DateTime::from_timestamp(NOW, 0).unwrap();
        let Ok(token) = std::str::from_utf8(token) else { return false };
        let Ok(bearer) = self.keys.check(token, &expected, now) else { return false };
        let Ok(beat) = Beat::read(body) else { return false };
        self.ledger.note(bearer.pod, &beat, self.now).is_ok()
    }
}

struct Forger {
    issuer: Signer,
    other: Signer,
    good: String,
    left: String,
    stranger: String,
    dice: Dice,
}

impl Forger {
    /// A token and a body that must not be taken together; `kind` goes round.
    #[allow(clippy::too_many_lines, reason = "one line or two for each kind")]
    fn forge(&mut self, kind: usize) -> Option<(&'static str, Vec<u8>, Vec<u8>)> {
        let Self { issuer, other, good, left, stranger, dice } = self;
        let beat = BEAT.to_vec();
        let seconds = i64::try_from(dice.below(1_000_000)).unwrap();
        let token = |name, token: String| Some((name, token.into_bytes(), BEAT.to_vec()));
        let body = |name, body: Vec<u8>| Some((name, good.clone().into_bytes(), body));
        match kind {
            0 => token("another key", other.token(&header("ES256"), &claims(POD).to_string())),
            1 => {
                let none = header(["none", "None", "NONE", ""][dice.below(4)]);
                let ending = if dice.below(2) == 0 { "" } else { good.rsplit('.').next().unwrap() };
                token("no algorithm", format!("{}.{ending}", signed(&none, &claims(POD).to_string())))
            }
            2 => {
                let signed = signed(&header("HS256"), &claims(POD).to_string());
                let secret = hmac::Key::new(hmac::HMAC_SHA256, issuer.point());
                let tag = hmac::sign(&secret, signed.as_bytes());
                token("the public key as a secret", format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)))
            }
            3 => token("another pod", stranger.clone()),
            4 => token("an incarnation that left", left.clone()),
            5 => token("expired", issuer.with("/exp", json!(NOW - 30 - seconds))),
            6 => token("not yet valid", issuer.with("/nbf", json!(NOW + 31 + seconds))),
            7 => {
                token("another audience", issuer.with("/aud", json!(["kubernetes", "lazarus-gateways", "", "*"][dice.below(4)])))
            }
            8 => token("an external agent's audience", issuer.with("/aud/0", json!(format!("lazarus-gateway/{POD}/a/1")))),
            9 => token("another issuer", issuer.with("/iss", json!(format!("https://issuer/{seconds}")))),
            10 => token(
                "not bound",
                issuer.with("/kubernetes.io/pod", json!([null, {}, {"uid": ""}, {"uid": 1}])[dice.below(4)].clone()),
            ),
            11 => token("truncated", good[..dice.below(good.len())].to_owned()),
            12 => {
                let mut flipped = good.clone().into_bytes();
                let place = dice.below(flipped.len());
                flipped[place] ^= 1 << dice.below(8);
                Some(("a flipped bit", flipped, beat))
            }
            13 => {
                let (mine, theirs) = (good.rsplit_once('.').unwrap().0, stranger.rsplit_once('.').unwrap().1);
                token("another token's signature", format!("{mine}.{theirs}"))
            }
            14 => token("the key of another algorithm", issuer.token(&header("RS256"), &claims(POD).to_string())),
            15 => {
                let giant = ["1e999", "-1", "99999999999999999999", "1.5", "18446744073709551616"][dice.below(5)];
                let text = claims(POD).to_string().replace(&format!("\"exp\":{}", NOW + 600), &format!("\"exp\":{giant}"));
                token("a giant time", issuer.token(&header("ES256"), &text))
            }
            16 => {
                let depth = 200 + dice.below(2000);
                let deep = format!(r#"{{"aud":{}"#, "[".repeat(depth));
                token("deep claims", issuer.token(&header("ES256"), &deep))
            }
            17 => {
                let bytes = (0..dice.below(200)).map(|_| u8::try_from(dice.next() % 256).unwrap()).collect();
                Some(("bytes for a token", bytes, beat))
            }
            18 => {
                let field = ["silentSeconds", "busySeconds", "cycle", "protocol"][dice.below(4)];
                let giant = ["-1", "1e999", "36893488147419103232", "1.5", "\"1\"", "null", "[]"][dice.below(7)];
                let start = if field == "protocol" { "" } else { r#""protocol":1,"# };
                // A number that may be left out may be null.
                let null = ["cycle", "busySeconds"].contains(&field) && giant == "null";
                let text = format!(r#"{{{start}"agent":"Healthy","{field}":{giant}}}"#);
                if null { None } else { body("a giant number", text.into_bytes()) }
            }
            19 => {
                let open = ["[", "{\"a\":", "[{\"a\":"][dice.below(3)];
                let deep = open.repeat(1 + dice.below(LONGEST_BODY / open.len() - 40));
                body("a deep body", format!(r#"{{"protocol":1,"agent":"Healthy","later":{deep}"#).into_bytes())
            }
            20 => {
                let mut invalid = BEAT.to_vec();
                let place = BEAT.windows(8).position(|word| word == b"thinking").unwrap() + dice.below(8);
                invalid[place] = [0xff, 0xc0, 0x80, 0xf5][dice.below(4)];
                body("invalid UTF-8", invalid)
            }
            21 => body("a truncated body", BEAT[..dice.below(BEAT.len())].to_vec()),
            22 => body("a long body", [BEAT, &vec![b' '; LONGEST_BODY - dice.below(BEAT.len())]].concat()),
            23 => {
                let bytes = (0..dice.below(200)).map(|_| u8::try_from(dice.next() % 256).unwrap()).collect();
                body("bytes for a body", bytes)
            }
            24 => {
                let pod = json!([{"name": "p", "uid": POD}, {"uid": LEFT}, {"uid": ""}, {"uid": "x", "name": ""}])[dice.below(4)]
                    .clone();
                token("elsewhere, but of a pod", issuer.elsewhere("/kubernetes.io/pod", pod))
            }
            25 => {
                let account =
                    ["default", "watch", "match-external", "watch-external:", ":watch-external", "Watch-external"][dice.below(6)];
                token(
                    "another account elsewhere",
                    issuer.elsewhere("/sub", json!(format!("system:serviceaccount:missions:{account}"))),
                )
            }
            26 => {
                let mut other = CELL.to_owned().into_bytes();
                let place = dice.below(8);
                other[place] = if other[place] == b'0' { b'1' } else { b'0' };
                let other = String::from_utf8(other).unwrap();
                token(
                    "another mission's cell elsewhere",
                    issuer.elsewhere("/aud", json!([external::audience(&other, "oracle", 2)])),
                )
            }
            27 => {
                let audience = match dice.below(5) {
                    0 => external::audience(CELL, "oracle", 1),
                    1 => external::audience(CELL, "oracle", 3 + seconds),
                    2 => external::audience(CELL, "scout", 2),
                    3 => format!("{}/", external::audience(CELL, "oracle", 2)),
                    _ => external::audience(CELL, "oracle", 2).replace('/', "//"),
                };
                token("another incarnation elsewhere", issuer.elsewhere("/aud", json!([audience])))
            }
            28 => {
                let own = external::audience(CELL, "oracle", 2);
                let both = [
                    json!([own, "lazarus-gateway"]),
                    json!(["lazarus-gateway", own]),
                    json!([own, external::audience(CELL, "oracle", 1)]),
                    json!([own, own]),
                ];
                token("two audiences elsewhere", issuer.elsewhere("/aud", both[dice.below(4)].clone()))
            }
            29 => {
                let nobody =
                    json!([null, "", "alice", "system:serviceaccount", "system:serviceaccount:", "system:node:watch-external"]);
                token("nobody's elsewhere", issuer.elsewhere("/sub", nobody[dice.below(6)].clone()))
            }
            30 => {
                let mut claims = claims_elsewhere();
                claims["kubernetes.io"]["namespace"] = json!(["mission", "", "missions2", "kube-system"][dice.below(4)]);
                let claims = claims.to_string();
                let said = if dice.below(2) == 0 { claims.clone() } else { claims.replace(r#""kubernetes.io""#, r#""other""#) };
                token("another namespace elsewhere", issuer.token(&header("ES256"), &said))
            }
            31 => token("expired elsewhere", issuer.elsewhere("/exp", json!(NOW - 30 - seconds))),
            32 => token("another key elsewhere", other.elsewhere("/exp", json!(NOW + 600))),
            _ => None,
        }
    }
}

#[test]
fn no_forgery_is_taken_and_what_it_was_made_from_is() {
    let (issuer, now) = (Signer::new(), SystemClock.monotonic());
    let [x, y] = [&issuer.point()[1..33], &issuer.point()[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
    let set = json!({"keys": [{"kid": "k", "kty": "EC", "crv": "P-256", "x": x, "y": y}]});
    let mut gateway = Gateway { keys: Keys::read(set.to_string().as_bytes()).unwrap(), ledger: Ledger::new(now), now };
    let signed = |pod| issuer.token(&header("ES256"), &claims(pod).to_string());
    let (good, left, stranger) = (signed(POD), signed(LEFT), signed("5d1c9f1e-0000-4000-8000-0000000000fd"));
    let uid = external::uid("missions", &external::account("watch"), &external::audience(CELL, "oracle", 2));
    for pod in [POD, LEFT, &uid] {
        gateway.ledger.enter(Uid::read(pod).unwrap(), 15, true, now);
    }
    let elsewhere = issuer.token(&header("ES256"), &claims_elsewhere().to_string());
    gateway.ledger.open();
    assert!(gateway.takes(left.as_bytes(), BEAT), "it is good until its incarnation leaves");
    gateway.ledger.leave(Uid::read(LEFT).unwrap());

    let mut forger = Forger { issuer, other: Signer::new(), good: good.clone(), left, stranger, dice: Dice(4) };
    let mut tried = 0;
    for kind in (0..33).cycle() {
        let Some((name, token, body)) = forger.forge(kind) else { continue };
        // As many reports as the agent may send are free at each try: the limit must not be what refuses.
        gateway.now += Duration::from_secs(5);
        assert!(!gateway.takes(&token, &body), "{name}: {} {}", token.escape_ascii(), body.escape_ascii());
        if tried % 100 == 0 {
            for good in [&good, &elsewhere] {
                assert!(gateway.takes(good.as_bytes(), BEAT), "the gateway takes nothing any more after {name}");
            }
        }
        tried += 1;
        if tried == FORGERIES {
            break;
        }
    }
    println!("{tried} forgeries, none taken");
}
