//! TLS as the control plane offers it: version 1.3, HTTP/2, and client certificates where an authority for them is given.

use crate::file::{Contents, FileError};
use crate::tls::{self, ALPN_H2};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::sync::Arc;

/// Makes the configuration of a server. Clients may come without a certificate: they are then told in a gRPC status what
/// they lack, which a broken handshake could not.
///
/// # Errors
/// The file that is not what it should be.
pub fn config(certificate: &Contents, key: &Contents, client_ca: Option<&Contents>) -> Result<ServerConfig, FileError> {
    let (chain, secret) = (tls::certificates(certificate)?, tls::key(key)?);
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| FileError::new(&certificate.path, error.to_string()))?;
    let builder = match client_ca {
        Some(file) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(tls::roots(file)?), tls::provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| FileError::new(&file.path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, secret).map_err(|error| tls::refused(certificate, key, &error))?;
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    // A resumed session would bring a client certificate that nobody looks at again, although it may have expired or its
    // authority gone. Connections live long, so there is little to save.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
