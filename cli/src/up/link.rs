//! The link within `penstock up`: on this machine, and without credentials, whatever the surroundings say.

use std::env;

use crate::exit::Failure;

/// Settings of a control plane that asks for credentials. Ours would ask its own proxy, which has none.
const ASKING: [&str; 5] = [
    "PENSTOCK_TLS_CERTIFICATE",
    "PENSTOCK_TLS_KEY",
    "PENSTOCK_TLS_CLIENT_CA",
    "PENSTOCK_ACCESS_FILE",
    "PENSTOCK_JOIN_TOKEN_FILE",
];
/// Settings of clients of some other control plane, which our proxy must not take for its own.
pub(super) const ELSEWHERE: [&str; 4] = [
    "PENSTOCK_CONTROL_PLANE_CA",
    "PENSTOCK_CONTROL_PLANE_CERTIFICATE",
    "PENSTOCK_CONTROL_PLANE_KEY",
    "PENSTOCK_CONTROL_PLANE_SERVER_NAME",
];
/// Says that the network is protected otherwise.
pub(super) const TRUST_NETWORK: &str = "PENSTOCK_TRUST_NETWORK";

/// Refuses to seem protected.
///
/// # Errors
/// [`Failure::Usage`] with the setting that would have no effect.
pub(super) fn check() -> Result<(), Failure> {
    match ASKING.into_iter().find(|name| env::var_os(name).is_some()) {
        Some(name) => Err(Failure::Usage(format!(
            "{name} is set, and `penstock up` is for one machine without credentials: start penstock-control-plane and \
             penstock-data-plane, or unset it"
        ))),
        None => Ok(()),
    }
}
