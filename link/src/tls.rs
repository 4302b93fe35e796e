//! PEM into what rustls takes, with the file in every complaint.

use crate::file::{Contents, FileError};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// HTTP/2 as it is named in the handshake (RFC 7301).
pub(crate) const ALPN_H2: &[u8] = b"h2";

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A chain, the end first.
pub(crate) fn certificates(file: &Contents) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let failed = |reason: String| FileError::new(&file.path, reason);
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file.bytes).collect();
    let all = all.map_err(|error| failed(format!("is no PEM file of certificates: {error}")))?;
    if all.is_empty() {
        return Err(failed("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(all)
}

pub(crate) fn key(file: &Contents) -> Result<PrivateKeyDer<'static>, FileError> {
    // The library's words may not be shown: they come from reading a secret.
    PrivateKeyDer::from_pem_slice(&file.bytes)
        .map_err(|_| FileError::new(&file.path, "holds no private key in PEM form without a passphrase"))
}

/// Authorities to trust.
pub(crate) fn roots(file: &Contents) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| {
            FileError::new(&file.path, format!("holds what is no authority's certificate: {error}"))
        })?;
    }
    Ok(roots)
}

/// What a certificate and its key were refused for.
pub(crate) fn refused(certificate: &Contents, key: &Contents, error: &rustls::Error) -> FileError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            FileError::new(&certificate.path, format!("does not belong to the key in {}", key.path.display()))
        }
        error => FileError::new(&certificate.path, format!("cannot be used: {error}")),
    }
}
