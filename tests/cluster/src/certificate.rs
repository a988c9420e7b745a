//! A certificate authority made for one cluster, and the server's certificate by it.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// In PEM, all of it.
pub(crate) struct Certificate {
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Certificate {
    /// For `localhost` and 127.0.0.1.
    pub(crate) fn new() -> Self {
        let authority_key = KeyPair::generate().expect("a key can be made");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signed = authority.self_signed(&authority_key).expect("an authority signs itself");
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key can be made");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = CertificateParams::new(names).expect("the names are names");
        let certificate = server.signed_by(&key, &issuer).expect("the authority signs");
        Self { authority: signed.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
    }
}
