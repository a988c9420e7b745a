//! TLS for the receiver: rustls with ring, one certificate, HTTP/1.1.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::client::tls;
use crate::error::{Error, ErrorKind};

const CERTIFICATE: &str = "tls_certificate";
const KEY: &str = "tls_key";

/// Where the certificate chain and the private key come from.
#[derive(Clone)]
pub(super) enum Identity {
    Pem { chain: Vec<u8>, key: Vec<u8> },
    Files { chain: PathBuf, key: PathBuf },
}

impl Identity {
    /// Reads files, where it is files; may block.
    fn pem(self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        fn read(field: &str, path: &Path) -> Result<Vec<u8>, Error> {
            std::fs::read(path).map_err(|error| {
                Error::invalid(field, format!("cannot read {}: {error}", path.display())).with_source(error)
            })
        }
        match self {
            Self::Pem { chain, key } => Ok((chain, key)),
            Self::Files { chain, key } => Ok((read(CERTIFICATE, &chain)?, read(KEY, &key)?)),
        }
    }

    /// Checks that key and certificate belong together.
    pub(super) async fn acceptor(self) -> Result<TlsAcceptor, Error> {
        let failed = |error| Error::new(ErrorKind::Internal, "the TLS setup failed").with_source(error);
        let (chain, key) =
            tokio::task::spawn_blocking(|| self.pem()).await.map_err(|error| failed(error.to_string()))??;
        let chain = tls::certificates(CERTIFICATE, &chain)?;
        let key = tls::private_key(KEY, &key)?;
        let mut config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| Error::invalid(CERTIFICATE, format!("cannot be used with this key: {error}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
