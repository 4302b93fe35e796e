//! What the TLS library means, in sentences that say what to do. No secret is in them: they are about certificates.

use rustls::{AlertDescription, CertificateError, Error};
use std::error::Error as StdError;
use std::io;

/// The TLS error behind an error, however deep.
pub fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // An I/O error hides what it wraps from `source`.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| tls_error(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What a client learns about its connection, when TLS is what is wrong with it.
pub fn for_client(error: &(dyn StdError + 'static)) -> Option<String> {
    let text = match tls_error(error)? {
        Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => {
                "the control plane's certificate is of an authority that is not trusted here: --control-plane-ca names \
                 the one to trust"
                    .to_owned()
            }
            reason if is_expired(reason) => "the control plane's certificate has expired".to_owned(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the control plane's certificate is for another name ({reason}): --control-plane-server-name says \
                     which to expect"
                )
            }
            reason => format!("the control plane's certificate is refused: {reason}"),
        },
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateExpired => {
                "the control plane says that our certificate has expired".to_owned()
            }
            AlertDescription::UnknownCA => {
                "the control plane does not trust the authority of our certificate (its --tls-client-ca)".to_owned()
            }
            alert => format!("the control plane refuses the handshake ({alert:?}): its log may say why"),
        },
        Error::InvalidMessage(_) => "what listens there does not speak TLS: use http://, or another port".to_owned(),
        error => format!("TLS: {error}"),
    };
    Some(text)
}

/// Why a handshake with a client failed, for the control plane's log.
pub fn for_server(error: &io::Error) -> String {
    match tls_error(error) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is of no authority in --tls-client-ca".to_owned()
        }
        Some(Error::InvalidCertificate(reason)) if is_expired(reason) => "its certificate has expired".to_owned(),
        Some(Error::InvalidCertificate(reason)) => format!("its certificate is refused: {reason}"),
        Some(Error::AlertReceived(alert)) => format!("it refuses our certificate or TLS version ({alert:?})"),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS (http:// instead of https://?)".to_owned(),
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

fn is_expired(reason: &CertificateError) -> bool {
    matches!(reason, CertificateError::Expired | CertificateError::ExpiredContext { .. })
}
