//! TLS towards `https` upstreams: the machine's certificate authorities, or none at all where the configuration says so
//! (`tlsConfig`, section i.1).

use penstock_model::integration::TlsConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// HTTP/2 as it is named in the handshake (RFC 7301, RFC 9113 section 3.2).
pub(super) const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The two ways to check a certificate, each with and without HTTP/2. Shared by all workers, made when an `https`
/// upstream is first called.
#[derive(Default)]
pub(crate) struct TlsClients {
    verified: [OnceLock<TlsConnector>; 2],
    unverified: [OnceLock<TlsConnector>; 2],
}

impl TlsClients {
    /// The connector for a configuration.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub(super) fn connector(&self, config: &TlsConfig, http2: bool) -> io::Result<TlsConnector> {
        let (cells, verify) =
            if config.insecure_skip_verification { (&self.unverified, false) } else { (&self.verified, true) };
        let cell = &cells[usize::from(http2)];
        if let Some(connector) = cell.get() {
            return Ok(connector.clone());
        }
        let connector = TlsConnector::from(Arc::new(client_config(verify, http2)?));
        Ok(cell.get_or_init(|| connector).clone())
    }
}

fn client_config(verify: bool, http2: bool) -> io::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut config = if verify {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, unreadable) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!(unreadable, "this machine has no certificate authorities: https upstreams will be refused");
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider))).with_no_client_auth()
    };
    config.alpn_protocols = match http2 {
        true => vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()],
        false => vec![ALPN_HTTP1.to_vec()],
    };
    Ok(config)
}

/// Accepts every certificate, but still checks that the upstream holds its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
