//! Proof of who reports: tokens of the cluster's own issuer, checked without asking anybody.
//!
//! Only what the API server signs with: RS256 and ES256, with a key of the issuer's published set (RFC 7515 to 7519). The
//! algorithm is the key's, never the token's own word for it.
//!
//! A token is a sidecar's, bound to its pod, or that of one incarnation of an agent elsewhere, which its audience says.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ring::signature;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ledger::Uid;
use crate::api::external;

/// A projected token has about 1.2 KiB; one that is longer than this is none.
const LONGEST: usize = 8 * 1024;

/// Clocks of API servers and of this one differ by at most this.
const LEEWAY: Duration = Duration::from_secs(30);

/// The issuer's public keys.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    id: String,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point on P-256.
    Elliptic(Vec<u8>),
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The cluster's issuer.
    pub issuer: &'a str,
    /// What a sidecar's token must have been made for; that of an agent elsewhere says so behind it.
    pub audience: &'a str,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Namespace of the pod, or of the mission of an agent elsewhere.
    pub namespace: String,
    /// The ServiceAccount, if the token is one's.
    pub account: Option<String>,
    /// UID of the pod, or what stands for it.
    pub pod: Uid,
}

/// Why a token is not taken: what metrics count, and nothing that helps a forger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not a token of three parts, or too long.
    #[error("not a token")]
    Malformed,
    /// An algorithm that is not accepted, `none` among them.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// Signed with a key that is not known (yet): the set may be old.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// Of another issuer.
    #[error("the token is of another issuer")]
    Issuer,
    /// Made for something else.
    #[error("the token is for another audience")]
    Audience,
    /// Expired, or not valid yet.
    #[error("the token has expired or is not valid yet")]
    Time,
    /// Not bound to a pod.
    #[error("the token is not bound to a pod")]
    Unbound,
    /// Bound to a pod, but made for an agent elsewhere: whatever runs in the pod is not that agent.
    #[error("the token is for an agent that runs elsewhere, but bound to a pod")]
    Bound,
    /// Made for an agent elsewhere, but not with a ServiceAccount.
    #[error("the token is for an agent that runs elsewhere, but not of a ServiceAccount")]
    Account,
}

impl Rejected {
    /// Whose token it is that was rejected for this although the cluster signed it. `None`: nothing in it is to be believed.
    #[must_use]
    pub fn signed_for(self, token: &str) -> Option<Uid> {
        match self {
            // The signature was looked at before these.
            Self::Issuer | Self::Audience | Self::Time => {
                let claims: Claims = part(token.split('.').nth(1)?).ok()?;
                claims.elsewhere().or_else(|_| claims.sidecar()).ok().map(|bearer| bearer.pod)
            }
            Self::Malformed
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::Unbound
            | Self::Bound
            | Self::Account => None,
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    pod: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    uid: String,
}

#[derive(Deserialize)]
struct PublishedKeys {
    keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kid: Option<String>,
    kty: String,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads the API server's `/openid/v1/jwks`. Keys of other kinds are left out.
    ///
    /// # Errors
    /// Not a set of keys.
    pub fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        let published: PublishedKeys = serde_json::from_slice(text)?;
        Ok(Self { keys: published.keys.into_iter().filter_map(Key::read).collect() })
    }

    /// Whether there is a key of this name.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// Checks a token.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, token: &str, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<Bearer, Rejected> {
        if token.len() > LONGEST {
            return Err(Rejected::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(Rejected::Malformed)?;
        let header: Header = part(header)?;
        let verify = match header.alg.as_str() {
            "RS256" => Public::verify_rs256,
            "ES256" => Public::verify_es256,
            _ => return Err(Rejected::Algorithm),
        };
        let named = header.kid.ok_or(Rejected::UnknownKey)?;
        let key = self.keys.iter().find(|key| key.id == named).ok_or(Rejected::UnknownKey)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Rejected::Malformed)?;
        verify(&key.public, signed.as_bytes(), &signature).ok_or(Rejected::Signature)?;
        // Only now is anything in it worth reading.
        part::<Claims>(claims)?.check(expected, now)
    }
}

impl Claims {
    fn check(&self, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<Bearer, Rejected> {
        let Self { iss, sub: _, aud, exp, nbf, kubernetes: _ } = self;
        if iss != expected.issuer {
            return Err(Rejected::Issuer);
        }
        let is_sidecars = aud.all().iter().any(|audience| audience == expected.audience);
        let elsewhere = aud.all().iter().filter(|audience| external::is_audience(audience)).count();
        // One that is made for both, or for two agents, does not say whose it is.
        if usize::from(is_sidecars) + elsewhere != 1 {
            return Err(Rejected::Audience);
        }
        let (now, leeway) = (now.timestamp(), i64::try_from(LEEWAY.as_secs()).unwrap_or(0));
        if now.saturating_sub(leeway) >= *exp || nbf.is_some_and(|begins| now.saturating_add(leeway) < begins) {
            return Err(Rejected::Time);
        }
        if is_sidecars { self.sidecar() } else { self.elsewhere() }
    }

    fn sidecar(&self) -> Result<Bearer, Rejected> {
        let kubernetes = self.kubernetes.as_ref().ok_or(Rejected::Unbound)?;
        let pod = kubernetes.pod.as_ref().and_then(|pod| Uid::read(&pod.uid)).ok_or(Rejected::Unbound)?;
        let account = self.account().map(str::to_owned);
        Ok(Bearer { namespace: kubernetes.namespace.clone(), account, pod })
    }

    fn elsewhere(&self) -> Result<Bearer, Rejected> {
        let audience = self.aud.all().iter().find(|audience| external::is_audience(audience)).ok_or(Rejected::Audience)?;
        let kubernetes = self.kubernetes.as_ref().ok_or(Rejected::Account)?;
        if kubernetes.pod.is_some() {
            return Err(Rejected::Bound);
        }
        let (namespace, account) = (kubernetes.namespace.clone(), self.account().ok_or(Rejected::Account)?);
        let pod = Uid::read(&external::uid(&namespace, account, audience)).ok_or(Rejected::Account)?;
        Ok(Bearer { namespace, account: Some(account.to_owned()), pod })
    }

    /// The ServiceAccount, of the namespace that the token says.
    fn account(&self) -> Option<&str> {
        let (namespace, account) = self.sub.as_deref()?.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        (self.kubernetes.as_ref()?.namespace == namespace && !account.is_empty()).then_some(account)
    }
}

impl Audience {
    fn all(&self) -> &[String] {
        match self {
            Self::One(audience) => std::slice::from_ref(audience),
            Self::Many(audiences) => audiences,
        }
    }
}

impl Key {
    fn read(published: PublishedKey) -> Option<Self> {
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let PublishedKey { kid, kty, crv, n, e, x, y } = published;
        let public = match (kty.as_str(), crv.as_deref()) {
            ("RSA", _) => Public::Rsa { modulus: bytes(n)?, exponent: bytes(e)? },
            ("EC", Some("P-256")) => Public::Elliptic([vec![4], bytes(x)?, bytes(y)?].concat()),
            _ => return None,
        };
        Some(Self { id: kid?, public })
    }
}

impl Public {
    fn verify_rs256(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let Self::Rsa { modulus, exponent } = self else { return None };
        let key = signature::RsaPublicKeyComponents { n: modulus, e: exponent };
        key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).ok()
    }

    fn verify_es256(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let Self::Elliptic(point) = self else { return None };
        signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature).ok()
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Rejected> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejected::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Rejected::Malformed)
}

#[cfg(test)]
mod tests;
