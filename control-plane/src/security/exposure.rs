//! Which settings may not go together: no door is open because somebody forgot a flag.

use crate::settings::Settings;

/// Checks the settings against each other.
///
/// # Errors
/// A sentence that says what to do.
pub(super) fn check(settings: &Settings) -> Result<(), String> {
    let has_tls = settings.tls_certificate.is_some();
    if has_tls != settings.tls_key.is_some() {
        return Err("--tls-certificate and --tls-key go together: give both or none".to_owned());
    }
    if settings.tls_client_ca.is_some() && !has_tls {
        return Err("--tls-client-ca needs --tls-certificate and --tls-key: without TLS no client shows a certificate"
            .to_owned());
    }
    if settings.tls_client_ca.is_some() && settings.access_file.is_none() {
        return Err("--tls-client-ca needs --access-file, which says whose the certificates are and what they may do"
            .to_owned());
    }
    if settings.listen.ip().to_canonical().is_loopback() || settings.trust_network {
        return Ok(());
    }
    let address = settings.listen;
    if settings.access_file.is_none() && settings.join_token_file.is_none() {
        return Err(format!(
            "--listen {address} would let everybody who reaches it change the configuration: say with --access-file who may \
             manage, with --join-token-file how nodes join, and with --tls-certificate and --tls-key how it is encrypted; \
             or say --trust-network if the network is protected otherwise"
        ));
    }
    if !has_tls {
        return Err(format!(
            "--listen {address} would take tokens in clear: give --tls-certificate and --tls-key, or say --trust-network if \
             the network itself encrypts"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn checked(line: &str) -> Result<(), String> {
        check(&Line::try_parse_from(format!("x {line}").split_whitespace()).unwrap().settings)
    }

    #[test]
    fn on_loopback_nothing_is_asked_for() {
        for line in ["", "--listen 127.0.0.1:0", "--listen [::1]:0", "--listen [::ffff:127.0.0.1]:0"] {
            assert_eq!(checked(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn elsewhere_somebody_must_be_known_or_the_network_trusted() {
        for listen in ["0.0.0.0:0", "[::]:0", "10.0.0.1:0"] {
            let bare = checked(&format!("--listen {listen}")).unwrap_err();
            for flag in ["--access-file", "--join-token-file", "--tls-certificate", "--trust-network", listen] {
                assert!(bare.contains(flag), "{bare}");
            }
            let tls = "--tls-certificate c --tls-key k";
            assert!(checked(&format!("--listen {listen} {tls}")).is_err(), "encryption alone knows nobody");
            let plain = checked(&format!("--listen {listen} --join-token-file t")).unwrap_err();
            assert!(plain.contains("--tls-certificate"), "{plain}");
            for line in
                [format!("{tls} --join-token-file t"), format!("{tls} --access-file a"), "--trust-network".into()]
            {
                assert_eq!(checked(&format!("--listen {listen} {line}")), Ok(()), "{line}");
            }
        }
    }

    #[test]
    fn halves_are_refused() {
        for line in ["--tls-certificate c", "--tls-key k", "--tls-client-ca a --access-file f"] {
            assert!(checked(line).is_err(), "{line}");
        }
        let whose = checked("--tls-certificate c --tls-key k --tls-client-ca a").unwrap_err();
        assert!(whose.contains("--access-file"), "{whose}");
    }
}
