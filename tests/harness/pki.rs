//! Authorities and certificates of a test's own making, as files.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};
use std::path::{Path, PathBuf};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub file: PathBuf,
}

/// Files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// What a certificate is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `localhost` and 127.0.0.1.
    Server,
    /// Somebody who connects.
    Client,
}

impl Authority {
    /// Makes one; `directory` gets `{name}.pem`.
    pub fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = directory.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// Makes a certificate with this common name; `directory` gets `{name}.pem` and `{name}.key`.
    pub fn issue(&self, directory: &Path, name: &str, purpose: Use) -> Identity {
        self.issue_with(directory, name, purpose, |_| ())
    }

    /// The same, long past its time.
    pub fn issue_expired(&self, directory: &Path, name: &str, purpose: Use) -> Identity {
        self.issue_with(directory, name, purpose, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    fn issue_with(
        &self,
        directory: &Path,
        name: &str,
        purpose: Use,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        match purpose {
            Use::Server => {
                params.subject_alt_names = vec![
                    SanType::DnsName("localhost".try_into().unwrap()),
                    SanType::IpAddress("127.0.0.1".parse().unwrap()),
                ];
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            Use::Client => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        }
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        let identity =
            Identity { certificate: directory.join(format!("{name}.pem")), key: directory.join(format!("{name}.key")) };
        std::fs::write(&identity.certificate, made.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }
}
