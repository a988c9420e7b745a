//! The TLS configuration, one for every transport: rustls with ring, the platform's trust store, and what the
//! caller adds.
//!
//! The crypto provider is always passed explicitly. The process-wide default is never read or set, because
//! the host may have its own.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

use crate::error::{Error, ErrorKind};

/// What the caller adds to the platform's defaults, as PEM text.
#[derive(Clone, Default)]
pub(crate) struct TlsSettings {
    pub(crate) extra_ca_pem: Vec<Vec<u8>>,
    pub(crate) client_certificate_pem: Option<(Vec<u8>, Vec<u8>)>,
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates of a PEM text, one at least.
pub(crate) fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid(field, format!("is not valid PEM: {error}")))?;
    if all.is_empty() {
        return Err(Error::invalid(
            field,
            "holds no certificate; give PEM text with -----BEGIN CERTIFICATE-----",
        ));
    }
    Ok(all)
}

/// The private key of a PEM text.
pub(crate) fn private_key(field: &str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| Error::invalid(field, format!("is not a private key in PEM: {error}")))
}

impl TlsSettings {
    /// Checks the PEM texts and makes the configuration.
    ///
    /// With `needed` false, as for an `http://` endpoint, the platform's trust store is not loaded: that would
    /// cost milliseconds, and would fail on a machine that has none.
    pub(crate) fn config(&self, needed: bool) -> Result<ClientConfig, Error> {
        let mut roots = Vec::new();
        for pem in &self.extra_ca_pem {
            roots.extend(certificates("extra_ca", pem)?);
        }
        let internal =
            |error: rustls::Error| Error::new(ErrorKind::Internal, "TLS setup failed").with_source(error);
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(internal)?;
        let builder = if needed {
            let verifier = Verifier::new_with_extra_roots(roots, provider()).map_err(|error| {
                Error::new(ErrorKind::Tls, "the platform's trusted certificates could not be loaded")
                    .with_source(error)
            })?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            builder.with_root_certificates(rustls::RootCertStore::empty())
        };
        let mut config = match &self.client_certificate_pem {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates("client_certificate", chain)?;
                let key = private_key("client_key", key)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    Error::invalid("client_certificate", format!("cannot be used: {error}"))
                })?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
