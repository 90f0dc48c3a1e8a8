//! When a certificate ends.

use chrono::{DateTime, NaiveDateTime, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A Validity of two UTCTimes with seconds, as DER has it before the year 2050 (RFC 5280, 4.1.2.5).
const VALIDITY: [u8; 4] = [0x30, 0x1e, 0x17, 0x0d];
const BETWEEN: [u8; 2] = [0x17, 0x0d];
const TIME: usize = 13;

/// When the certificates of a bundle in PEM end; what is none, or ends after 2049, is left out.
pub(super) fn ends(bundle: &str) -> Vec<DateTime<Utc>> {
    CertificateDer::pem_slice_iter(bundle.as_bytes()).filter_map(Result::ok).filter_map(|found| end(&found)).collect()
}

/// The first thing in it that looks like a Validity is one: before it there are only the serial number, an algorithm and a name.
fn end(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let length = VALIDITY.len() + TIME + BETWEEN.len() + TIME;
    certificate.windows(length).find_map(|window| {
        let times = window.strip_prefix(&VALIDITY)?;
        let (from, rest) = times.split_at_checked(TIME)?;
        let until = rest.strip_prefix(&BETWEEN)?;
        time(from)?;
        time(until)
    })
}

fn time(text: &[u8]) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(text).ok()?;
    Some(NaiveDateTime::parse_from_str(&format!("20{text}"), "%Y%m%d%H%M%SZ").ok()?.and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::gateway::authority::Authority;

    #[test]
    fn a_bundle_says_when_its_certificates_end() {
        let now: DateTime<Utc> = "2026-01-31T12:00:00Z".parse().unwrap();
        let first = Authority::new(now).unwrap();
        let later = now + TimeDelta::days(250);
        let both = first.rotate(later).unwrap().bundle(later);
        assert_eq!(ends(&both), [later + TimeDelta::days(365), now + TimeDelta::days(365)]);
        assert!(ends("").is_empty());
        assert!(ends("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_empty());
    }
}
