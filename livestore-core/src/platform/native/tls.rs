//! TLS, natively: rustls, and the certificates that the machine trusts.
//!
//! The machine's own, not a list that is compiled in: an authority that a company or a developer has added is trusted
//! like in other programs, and one that was withdrawn is not. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as they do
//! for OpenSSL. They are read once in the life of the process, and only if an address asks for TLS.
//!
//! Deliberately not here: certificates of clients. Who the user is, the payload says.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What sockets and requests need to speak TLS.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) sockets: Arc<ClientConfig>,
    pub(super) requests: TlsConfig,
}

impl Tls {
    /// The process's.
    pub(super) fn get() -> &'static Self {
        static TLS: OnceLock<Tls> = OnceLock::new();
        TLS.get_or_init(Self::read)
    }

    fn read() -> Self {
        let read = rustls_native_certs::load_native_certs();
        for error in &read.errors {
            tracing::warn!(%error, "not all certificates that the machine trusts can be read");
        }
        let trusted = read.certs.iter().map(|trusted| Certificate::from_der(trusted).to_owned());
        let trusted: Arc<Vec<_>> = Arc::new(trusted.collect());
        let provider = Arc::new(ring::default_provider());
        let requests = TlsConfig::builder()
            .root_certs(RootCerts::Specific(trusted))
            .unversioned_rustls_crypto_provider(Arc::clone(&provider))
            .build();
        let mut roots = RootCertStore::empty();
        // A machine that trusts nobody refuses every server, and each refusal says so.
        let (trusted, ignored) = roots.add_parsable_certificates(read.certs);
        tracing::debug!(trusted, ignored, "certificates that the machine trusts");
        let sockets = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("BUG: ring knows what TLS 1.2 and 1.3 want")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { sockets: Arc::new(sockets), requests }
    }
}
