//! Whether the ports are free, said for all of them at once and with the flag that changes each.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::exit::Failure;

/// A port that a child is going to open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port {
    /// Whose it is, for people.
    pub(crate) what: &'static str,
    /// What sets it.
    pub(crate) flag: &'static str,
    /// Where.
    pub(crate) address: SocketAddr,
}

/// Opens and closes each port. A child could say no more than that its own is taken; and a proxy would not even notice,
/// because its workers share the port with whoever allows it.
///
/// # Errors
/// [`Failure::Ports`] with a line for each port that cannot be opened.
pub(crate) fn check(ports: &[Port]) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let mut held = Vec::new();
    for port in ports {
        match TcpListener::bind(port.address) {
            Ok(listener) => held.push(listener),
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::AddrInUse => "is taken".to_owned(),
                    _ => format!("cannot be opened ({error})"),
                };
                problems.push(format!(
                    "port {} on {}, for {}, {why}; {} sets another",
                    port.address.port(),
                    port.address.ip(),
                    port.what,
                    port.flag
                ));
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Ports(problems)) }
}

/// An address that can be called, for one that was listened on: "any" is here.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(flag: &'static str, address: SocketAddr) -> Port {
        Port { what: "a test", flag, address }
    }

    #[test]
    fn every_taken_port_is_named_with_its_flag() {
        let listeners = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
        let taken = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let ports = [
            port("--listen", taken[0]),
            port("--free", "127.0.0.1:0".parse().unwrap()),
            port("--grpc-listen", taken[1]),
        ];
        let failure = check(&ports).unwrap_err();
        let text = failure.to_string();
        for needle in [&taken[0].port().to_string(), &taken[1].port().to_string(), "--listen", "--grpc-listen", "taken"]
        {
            assert!(text.contains(needle), "{text}");
        }
        assert!(!text.contains("--free"), "{text}");
        assert_eq!(failure.code(), 4);
    }

    #[test]
    fn one_port_for_two_things_is_seen_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let text = check(&[port("--one", address), port("--other", address)]).unwrap_err().to_string();
        assert!(text.contains("--other") && !text.contains("--one"), "{text}");
    }

    #[test]
    fn an_address_that_is_not_ours_is_a_problem_of_its_own() {
        let text = check(&[port("--listen", "192.0.2.1:0".parse().unwrap())]).unwrap_err().to_string();
        assert!(text.contains("cannot be opened"), "{text}");
    }

    #[test]
    fn any_address_is_called_here() {
        let call = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(call("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(call("[::]:80"), "[::1]:80");
        assert_eq!(call("10.0.0.7:80"), "10.0.0.7:80");
    }
}
