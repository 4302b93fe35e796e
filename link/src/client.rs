//! [`Link`]: how a node or the command line reaches the control plane. Files are looked at before each connection, so
//! that new certificates and tokens are used without a restart.

use crate::connector::Connector;
use crate::file::{Contents, FileError};
use crate::tls::{self, ALPN_H2};
use crate::token::{self, Token};
use crate::watched::Watched;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};

/// Settings of whoever connects to a control plane.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClientSettings {
    /// Authorities to trust for https:// addresses of the control plane, PEM [default: the machine's]
    #[arg(long, global = true, env = "PENSTOCK_CONTROL_PLANE_CA", value_name = "FILE")]
    pub control_plane_ca: Option<PathBuf>,

    /// Our certificate for the control plane, PEM, with what lies between it and its authority
    #[arg(long, global = true, env = "PENSTOCK_CONTROL_PLANE_CERTIFICATE", value_name = "FILE")]
    pub control_plane_certificate: Option<PathBuf>,

    /// The key of that certificate, PEM
    #[arg(long, global = true, env = "PENSTOCK_CONTROL_PLANE_KEY", value_name = "FILE")]
    pub control_plane_key: Option<PathBuf>,

    /// Name in the control plane's certificate, where it is not the host of its address
    #[arg(long, global = true, env = "PENSTOCK_CONTROL_PLANE_SERVER_NAME", value_name = "NAME")]
    pub control_plane_server_name: Option<String>,

    /// The network is protected otherwise: do without credentials or without TLS where they would be required
    #[arg(long, global = true, env = "PENSTOCK_TRUST_NETWORK")]
    pub trust_network: bool,
}

/// Why a client cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A file is missing or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// One without the other.
    #[error("--control-plane-certificate and --control-plane-key go together: give both or none")]
    HalfAnIdentity,
    /// Not a name that a certificate could have.
    #[error("--control-plane-server-name: {0:?} is no host name and no address")]
    ServerName(String),
    /// The files would have no use.
    #[error("{flag} is for addresses that begin with https://, and {address} does not")]
    NoTls {
        /// What was given.
        flag: &'static str,
        /// For this address.
        address: Uri,
    },
    /// The token would be readable on the way.
    #[error(
        "the token would go to {0} in clear: use an https:// address, or say --trust-network if the network itself \
         encrypts"
    )]
    PlaintextToken(Uri),
}

/// A channel whose calls carry what identifies us.
pub type Authorized = InterceptedService<Channel, Bearer>;

/// The way to the control plane. By default a plain one, without a token.
#[derive(Debug, Default)]
pub struct Link {
    tls: Option<Watched<Arc<ClientConfig>>>,
    server_name: Option<ServerName<'static>>,
    token: Option<Watched<Bearer>>,
}

impl Link {
    /// Reads every file once. `token_file` holds the token that calls carry: its first one, where it holds several.
    ///
    /// # Errors
    /// Files that cannot be used, or settings that do not go together with the addresses.
    pub fn open(settings: ClientSettings, token_file: Option<PathBuf>, addresses: &[Uri]) -> Result<Self, LinkError> {
        check(&settings, token_file.is_some(), addresses)?;
        let server_name = match settings.control_plane_server_name {
            Some(name) => Some(ServerName::try_from(name.clone()).map_err(|_| LinkError::ServerName(name))?),
            None => None,
        };
        let tls = if addresses.iter().any(is_https) {
            let ca = settings.control_plane_ca;
            let pair = settings.control_plane_certificate.zip(settings.control_plane_key);
            let has_ca = ca.is_some();
            let paths =
                ca.into_iter().chain(pair.into_iter().flat_map(|(certificate, key)| [certificate, key])).collect();
            let parse = move |files: &[Contents]| client_config(files, has_ca).map(Arc::new);
            Some(Watched::open("the certificates for the control plane", paths, Box::new(parse))?)
        } else {
            None
        };
        let token = match token_file {
            Some(path) => Some(Watched::open("the token for the control plane", vec![path], Box::new(bearer))?),
            None => None,
        };
        Ok(Self { tls, server_name, token })
    }

    /// Looks whether files have changed. Blocks for as long as reading takes.
    pub fn look(&self) {
        if let Some(tls) = &self.tls {
            tls.look();
        }
        if let Some(token) = &self.token {
            token.look();
        }
    }

    /// Opens a connection with what the files said at the last look.
    ///
    /// # Errors
    /// As the transport says; [`crate::words::for_client`] knows what TLS errors mean.
    pub async fn connect(&self, endpoint: Endpoint) -> Result<Channel, tonic::transport::Error> {
        match &self.tls {
            Some(tls) if is_https(endpoint.uri()) => {
                let config = Arc::clone(tls.current().as_ref());
                endpoint.connect_with_connector(Connector { config, name: self.server_name.clone() }).await
            }
            _ => endpoint.connect().await,
        }
    }

    /// What puts our token into calls.
    pub fn bearer(&self) -> Bearer {
        self.token.as_ref().map(|token| (*token.current()).clone()).unwrap_or_default()
    }
}

/// Puts a token into each call, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

fn bearer(files: &[Contents]) -> Result<Bearer, FileError> {
    let token = token::tokens(&files[0])?.swap_remove(0);
    Ok(Bearer(Some(header(&token, &files[0])?)))
}

fn header(token: &Token, file: &Contents) -> Result<MetadataValue<Ascii>, FileError> {
    let mut value = MetadataValue::try_from(format!("Bearer {}", token.secret()))
        .map_err(|_| FileError::new(&file.path, "holds a token that no header can carry"))?;
    // Neither in the table of the header compression nor in anybody's debug output.
    value.set_sensitive(true);
    Ok(value)
}

fn check(settings: &ClientSettings, has_token: bool, addresses: &[Uri]) -> Result<(), LinkError> {
    if settings.control_plane_certificate.is_some() != settings.control_plane_key.is_some() {
        return Err(LinkError::HalfAnIdentity);
    }
    for address in addresses.iter().filter(|address| !is_https(address)) {
        let given = [
            ("--control-plane-ca", settings.control_plane_ca.is_some()),
            ("--control-plane-certificate", settings.control_plane_certificate.is_some()),
            ("--control-plane-server-name", settings.control_plane_server_name.is_some()),
        ];
        if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
            return Err(LinkError::NoTls { flag, address: address.clone() });
        }
        if has_token && !settings.trust_network && !is_loopback(address) {
            return Err(LinkError::PlaintextToken(address.clone()));
        }
    }
    Ok(())
}

fn is_https(address: &Uri) -> bool {
    address.scheme_str() == Some("https")
}

/// Whether what goes to this address stays on this machine.
fn is_loopback(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// `files` are the authorities, where there are some, then certificate and key, where there is one.
fn client_config(files: &[Contents], has_ca: bool) -> Result<ClientConfig, FileError> {
    let (ca, pair) = files.split_at(usize::from(has_ca));
    let roots = match ca.first() {
        Some(file) => tls::roots(file)?,
        None => machine_roots(),
    };
    // The provider has every suite of the version, so this does not fail.
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider supports TLS 1.3")
        .with_root_certificates(roots);
    let mut config = match pair {
        [certificate, key] => builder
            .with_client_auth_cert(tls::certificates(certificate)?, tls::key(key)?)
            .map_err(|error| tls::refused(certificate, key, &error))?,
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    Ok(config)
}

fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        tracing::warn!("this machine has no certificate authorities: --control-plane-ca names one");
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(settings: ClientSettings, token: bool, address: &str) -> Result<(), LinkError> {
        check(&settings, token, &[address.parse().unwrap()])
    }

    #[test]
    fn a_token_goes_in_clear_only_where_it_stays_on_this_machine_or_the_network_is_trusted() {
        for near in
            ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.9.9.9:1", "https://far:1"]
        {
            assert!(open(ClientSettings::default(), true, near).is_ok(), "{near}");
        }
        for far in ["http://10.0.0.1:1", "http://localhost.example.com:1", "http://control-plane:1"] {
            let error = open(ClientSettings::default(), true, far).unwrap_err();
            assert!(error.to_string().contains("https://"), "{error}");
            assert!(open(ClientSettings::default(), false, far).is_ok());
            let trusting = ClientSettings { trust_network: true, ..ClientSettings::default() };
            assert!(open(trusting, true, far).is_ok());
        }
    }

    #[test]
    fn settings_that_would_have_no_effect_are_refused() {
        let half = ClientSettings { control_plane_key: Some("k".into()), ..ClientSettings::default() };
        assert!(matches!(open(half, false, "https://a:1"), Err(LinkError::HalfAnIdentity)));
        let ca = ClientSettings { control_plane_ca: Some("ca".into()), ..ClientSettings::default() };
        assert!(matches!(open(ca, false, "http://127.0.0.1:1"), Err(LinkError::NoTls { .. })));
    }

    #[test]
    fn the_token_in_a_call_is_not_shown_by_debug() {
        let file = Contents { path: "token".into(), bytes: b"abcdefghijklmnop".to_vec() };
        let bearer = bearer(&[file]).unwrap();
        assert!(!format!("{bearer:?}").contains("abcdef"), "{bearer:?}");
    }
}
