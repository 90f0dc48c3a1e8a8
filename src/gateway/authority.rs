//! The gateway's certificate authority: pure, given the time.
//!
//! Sidecars trust a bundle of certificates. A new authority is spread in that bundle first and signs only later, so no
//! sidecar ever meets a certificate that it can't check. An authority lives for a year and is replaced after 8 months: at
//! most two are valid at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;

use crate::api::names::{GATEWAY, GATEWAY_AUTHORITY, GATEWAY_BUNDLE_KEY};

/// How long an authority lives, and when it is replaced: after two thirds of that.
const LIFE: TimeDelta = TimeDelta::days(365);
const REPLACED_AFTER: TimeDelta = TimeDelta::days(243);
/// How long a new authority is only spread: the kubelet brings a changed ConfigMap to its pods within two minutes.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// How long the gateway's own certificate lives; it is replaced at half of that.
const LEAF_LIFE: TimeDelta = TimeDelta::hours(24);
/// Clocks of nodes may be behind the operator's by this.
const BACKDATED: TimeDelta = TimeDelta::minutes(5);

/// Keys of the Secret. The certificates are the bundle, newest first; each has its private key and its time of making.
const CERTIFICATES: &str = GATEWAY_BUNDLE_KEY;
const CURRENT: [&str; 2] = ["ca.key", "ca.made"];
const PREVIOUS: [&str; 2] = ["previous.key", "previous.made"];

const PEM_END: &str = "-----END CERTIFICATE-----";

/// What the Secret holds, byte by byte.
pub type Data = BTreeMap<String, Vec<u8>>;

/// The authority, with the one that it replaced for as long as that is valid.
#[derive(Debug)]
pub struct Authority {
    current: Root,
    previous: Option<Root>,
}

#[derive(Debug)]
struct Root {
    certificate: String,
    key: KeyPair,
    made: DateTime<Utc>,
}

/// The certificate that the gateway shows, with its private key; it is never stored.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// What TLS needs.
    pub certified: Arc<CertifiedKey>,
    made: DateTime<Utc>,
}

/// Why there is no authority or no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret is not as this operator writes it. It is left as it is: a person may have put it there.
    #[error(
        "key `{key}` of Secret {GATEWAY_AUTHORITY} {problem}: restore it, or remove everything under `data` to have a new \
         authority made; agents then report again once their node has the new bundle"
    )]
    Corrupt {
        /// Key of the Secret.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate can't be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A certificate that was made is not taken by TLS.
    #[error("cannot use the certificate: {0}")]
    Use(#[from] rustls::Error),
}

impl Authority {
    /// A new authority, with none before it.
    ///
    /// # Errors
    /// A certificate can't be made.
    pub fn new(now: DateTime<Utc>) -> Result<Self, Error> {
        Ok(Self { current: Root::new(now)?, previous: None })
    }

    /// Reads the data of the Secret; `None`: it is empty.
    ///
    /// # Errors
    /// It is not as [`data`](Self::data) writes it, or its parts don't belong together.
    pub fn read(data: &Data) -> Result<Option<Self>, Error> {
        if data.is_empty() {
            return Ok(None);
        }
        let bundle = text(data, CERTIFICATES)?;
        let mut certificates = bundle.split_inclusive(PEM_END).filter(|part| part.contains(PEM_END));
        let mut root = |keys| Root::read(certificates.next(), keys, data);
        let current = root(CURRENT)?;
        let previous = if data.contains_key(PREVIOUS[0]) { Some(root(PREVIOUS)?) } else { None };
        Ok(Some(Self { current, previous }))
    }

    /// What the Secret is to hold.
    #[must_use]
    pub fn data(&self) -> Data {
        let mut data = Data::from([(CERTIFICATES.to_owned(), self.certificates(|_| true).into_bytes())]);
        for (root, [key, made]) in std::iter::once((&self.current, CURRENT)).chain(self.previous.iter().zip([PREVIOUS])) {
            data.insert(key.into(), root.key.serialize_pem().into_bytes());
            data.insert(made.into(), root.made.to_rfc3339().into_bytes());
        }
        data
    }

    /// The certificates that sidecars are to trust, newest first.
    #[must_use]
    pub fn bundle(&self, now: DateTime<Utc>) -> String {
        self.certificates(|root| root.lives(now))
    }

    /// Whether it is time for a new authority.
    #[must_use]
    pub fn needs_rotation(&self, now: DateTime<Utc>) -> bool {
        now - self.current.made >= REPLACED_AFTER
    }

    /// A new authority that keeps the present one beside it.
    ///
    /// # Errors
    /// A certificate can't be made.
    pub fn rotate(self, now: DateTime<Utc>) -> Result<Self, Error> {
        Ok(Self { current: Root::new(now)?, previous: Some(self.current).filter(|root| root.lives(now)) })
    }

    /// A certificate for the gateway of the operator in `namespace`, with these names and addresses beside its own.
    ///
    /// # Errors
    /// It can't be made.
    pub fn leaf(&self, namespace: &str, sans: &[String], now: DateTime<Utc>) -> Result<Leaf, Error> {
        let spread = now - self.current.made >= OVERLAP;
        let previous = self.previous.as_ref().filter(|root| !spread && root.lives(now));
        previous.unwrap_or(&self.current).leaf(namespace, sans, now)
    }

    fn certificates(&self, wanted: impl Fn(&Root) -> bool) -> String {
        let roots = std::iter::once(&self.current).chain(&self.previous);
        roots.filter(|root| wanted(root)).flat_map(|root| [root.certificate.as_str(), "\n"]).collect()
    }
}

impl Leaf {
    /// Whether a new one is to be made.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        // Also when the clock was set back: it would not be valid yet.
        now - self.made >= LEAF_LIFE / 2 || now < self.made - BACKDATED
    }
}

impl Root {
    fn new(now: DateTime<Utc>) -> Result<Self, Error> {
        // Its name is made from the time, which is stored in whole seconds.
        let made = crate::runtime::time::whole_seconds(now);
        let key = KeyPair::generate()?;
        let certificate = Self::parameters(made).self_signed(&key)?.pem();
        Ok(Self { certificate: certificate.replace('\r', "").trim_end().to_owned(), key, made })
    }

    fn read(certificate: Option<&str>, [key_name, made_name]: [&'static str; 2], data: &Data) -> Result<Self, Error> {
        let corrupt = |key, problem: &str| Error::Corrupt { key, problem: problem.to_owned() };
        let certificate = certificate.ok_or_else(|| corrupt(CERTIFICATES, "has too few certificates"))?.trim().to_owned();
        let key = KeyPair::from_pem(text(data, key_name)?).map_err(|_| corrupt(key_name, "is not a private key in PEM"))?;
        let made = DateTime::parse_from_rfc3339(text(data, made_name)?).map_err(|_| corrupt(made_name, "is not a time"))?;
        let root = Self { certificate, key, made: made.to_utc() };
        root.prove()
            .map_err(|error| corrupt(CERTIFICATES, &format!("does not fit the private key in `{key_name}` ({error})")))?;
        Ok(root)
    }

    /// That a certificate signed with the private key is trusted by whoever trusts this root.
    fn prove(&self) -> Result<(), Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        roots.add(root.map_err(|_| rustls::Error::General("it is not a certificate in PEM".into()))?)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
        let leaf = self.leaf("default", &[], self.made)?;
        let name = ServerName::try_from(GATEWAY).map_err(|error| rustls::Error::General(error.to_string()))?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(self.made.timestamp().unsigned_abs()));
        verifier.verify_server_cert(leaf.certified.end_entity_cert()?, &[], &name, &[], time)?;
        Ok(())
    }

    fn lives(&self, now: DateTime<Utc>) -> bool {
        now < self.made + LIFE
    }

    fn leaf(&self, namespace: &str, sans: &[String], now: DateTime<Utc>) -> Result<Leaf, Error> {
        let key = KeyPair::generate()?;
        let own = [GATEWAY.to_owned(), format!("{GATEWAY}.{namespace}.svc")];
        let mut parameters = CertificateParams::new([&own[..], sans].concat())?;
        valid(&mut parameters, now, LEAF_LIFE);
        parameters.distinguished_name.push(DnType::CommonName, GATEWAY);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(&key, &Issuer::new(Self::parameters(self.made), &self.key))?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = rustls::crypto::ring::sign::any_supported_type(&private)?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signer));
        Ok(Leaf { certified, made: now })
    }

    /// Each root has a name of its own, so that a certificate says which one signed it.
    fn parameters(made: DateTime<Utc>) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        valid(&mut parameters, made, LIFE);
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, format!("{GATEWAY_AUTHORITY} {}", made.timestamp()));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        parameters
    }
}

fn valid(parameters: &mut CertificateParams, made: DateTime<Utc>, life: TimeDelta) {
    let moment = |time: DateTime<Utc>| date_time_ymd(1970, 1, 1) + Duration::from_secs(time.timestamp().unsigned_abs());
    (parameters.not_before, parameters.not_after) = (moment(made - BACKDATED), moment(made + life));
}

fn text<'a>(data: &'a Data, key: &'static str) -> Result<&'a str, Error> {
    let bytes = data.get(key).ok_or_else(|| Error::Corrupt { key, problem: "is missing".into() })?;
    std::str::from_utf8(bytes).map_err(|_| Error::Corrupt { key, problem: "is not text".into() })
}

#[cfg(test)]
mod tests;
