use super::*;

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

const DAY: i64 = 86_400;

/// Whether a client that trusts only `bundle` takes `leaf` under `name` at that time.
fn trusts(bundle: &str, leaf: &Leaf, name: &'static str, now: DateTime<Utc>) -> bool {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now.timestamp().unsigned_abs()));
    let certificate = leaf.certified.end_entity_cert().unwrap();
    verifier.verify_server_cert(certificate, &[], &ServerName::try_from(name).unwrap(), &[], time).is_ok()
}

fn again(authority: &Authority) -> Authority {
    Authority::read(&authority.data()).unwrap().unwrap()
}

#[test]
fn a_certificate_is_trusted_under_its_names_and_for_a_day() {
    let authority = again(&Authority::new(moment(0)).unwrap());
    let sans = ["agents.example", "203.0.113.7", "2001:db8::7"].map(str::to_owned);
    let (bundle, leaf) = (authority.bundle(moment(0)), authority.leaf("lazarus-pit", &sans, moment(0)).unwrap());
    for name in ["lazarus-gateway", "lazarus-gateway.lazarus-pit.svc", "agents.example", "203.0.113.7", "2001:db8::7"] {
        assert!(trusts(&bundle, &leaf, name, moment(0)), "{name}");
    }
    assert!(!trusts(&bundle, &leaf, "kubernetes.default.svc", moment(0)));
    assert!(trusts(&bundle, &leaf, "lazarus-gateway", moment(-299)) && !trusts(&bundle, &leaf, "lazarus-gateway", moment(-301)));
    assert!(!trusts(&bundle, &leaf, "lazarus-gateway", moment(DAY + 1)));
    assert!(!leaf.is_due(moment(DAY / 2 - 1)) && leaf.is_due(moment(DAY / 2)) && leaf.is_due(moment(-301)));
}

#[test]
fn no_client_meets_a_certificate_that_its_bundle_does_not_cover() {
    let old = Authority::new(moment(0)).unwrap();
    let first = old.bundle(moment(0));
    let due = 243 * DAY;
    assert!(!old.needs_rotation(moment(due - 1)) && old.needs_rotation(moment(due)));
    let new = again(&old.rotate(moment(due)).unwrap());
    assert!(!new.needs_rotation(moment(due)));
    let both = new.bundle(moment(due));
    assert!(both.ends_with(&first) && both.len() > first.len(), "newest first");
    let leaf = |seconds| new.leaf("lazarus-pit", &[], moment(seconds)).unwrap();
    let name = "lazarus-gateway";
    // Right after the rotation nobody has the new bundle yet; ten minutes later everybody has.
    for (seconds, by_old) in [(due, true), (due + 599, true), (due + 600, false)] {
        assert_eq!(trusts(&first, &leaf(seconds), name, moment(seconds)), by_old, "{seconds}");
        assert!(trusts(&both, &leaf(seconds), name, moment(seconds)), "{seconds}");
    }
    let late = moment(365 * DAY);
    assert!(!new.bundle(late).contains(first.trim()), "an old one that has expired is left out");
    let newer = new.rotate(moment(due + due)).unwrap();
    assert_eq!(newer.data().len(), 5);
    assert_eq!(newer.bundle(moment(due + due)).matches(PEM_END).count(), 2);
}

#[test]
fn an_authority_that_replaces_an_expired_one_signs_at_once() {
    let late = moment(400 * DAY);
    let authority = again(&Authority::new(moment(0)).unwrap().rotate(late).unwrap());
    assert!(trusts(&authority.bundle(late), &authority.leaf("n", &[], late).unwrap(), "lazarus-gateway", late));
    assert_eq!(authority.data().len(), 3);
}

#[test]
fn an_empty_secret_is_no_authority_and_a_corrupt_one_says_what_to_do() {
    assert!(Authority::read(&Data::new()).unwrap().is_none());
    let good = Authority::new(moment(0)).unwrap().rotate(moment(DAY)).unwrap().data();
    let other = Authority::new(moment(1)).unwrap().data();
    for (key, value, complaint) in [
        ("ca.crt", Some(b"nonsense".to_vec()), "key `ca.crt` of Secret lazarus-gateway-ca has too few certificates"),
        ("ca.crt", Some(other["ca.crt"].clone()), "does not fit the private key in `ca.key`"),
        ("ca.crt", None, "is missing"),
        ("ca.key", Some(other["ca.key"].clone()), "does not fit the private key in `ca.key`"),
        ("ca.key", Some(vec![0xff]), "key `ca.key` of Secret lazarus-gateway-ca is not text"),
        ("ca.key", None, "key `ca.key` of Secret lazarus-gateway-ca is missing"),
        ("ca.made", Some(b"soon".to_vec()), "is not a time"),
        ("ca.made", Some(other["ca.made"].clone()), "does not fit"),
        ("previous.key", Some(other["ca.key"].clone()), "does not fit the private key in `previous.key`"),
        ("previous.made", None, "key `previous.made` of Secret lazarus-gateway-ca is missing"),
    ] {
        let mut data = good.clone();
        data.remove(key);
        data.extend(value.map(|value| (key.to_owned(), value)));
        let error = Authority::read(&data).unwrap_err().to_string();
        assert!(error.contains(complaint) && error.contains("remove everything under `data`"), "{key}: {error}");
    }
}
