//! The certificate that the server shows at this moment; it changes without a restart.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Holds the certificate; clones share it. As long as there is none, no connection comes about.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    shared: Arc<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    certified: RwLock<Option<Arc<CertifiedKey>>>,
}

impl Identity {
    /// Shows this certificate to whoever connects from now on.
    pub fn show(&self, certified: Arc<CertifiedKey>) {
        *self.shared.certified.write().unwrap_or_else(PoisonError::into_inner) = Some(certified);
    }

    /// How TLS is spoken: version 1.3 alone, nothing remembered between connections.
    ///
    /// # Errors
    /// The library lacks the version.
    pub fn config(&self) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Shown>::clone(&self.shared);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        // A sidecar keeps its connection, so a ticket would save nothing.
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certified.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
