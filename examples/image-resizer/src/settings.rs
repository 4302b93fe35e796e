//! What the process is told at its start; the only reader of flags and environment besides `main`.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

/// Where the resizer listens: a group of arguments that a program may flatten into its own.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Settings {
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, env = "IMAGE_RESIZER_LISTEN", value_name = "ADDRESS:PORT", default_value_t = DEFAULT_LISTEN)]
    pub listen: SocketAddr,
}

/// Loopback only: who wants the resizer on a network has to say so.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9000);

impl Default for Settings {
    fn default() -> Self {
        Self { listen: DEFAULT_LISTEN }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn without_flags_it_listens_on_loopback_port_9000() {
        let parsed = Program::try_parse_from(["resizer"]).unwrap().settings;
        assert_eq!(parsed, Settings::default());
        assert_eq!(parsed.listen.to_string(), "127.0.0.1:9000");
    }

    #[test]
    fn the_flag_names_another_address() {
        let parsed = Program::try_parse_from(["resizer", "--listen", "[::1]:0"]).unwrap().settings;
        assert_eq!(parsed.listen.to_string(), "[::1]:0");
    }

    #[test]
    fn an_address_without_port_is_refused() {
        assert!(Program::try_parse_from(["resizer", "--listen", "127.0.0.1"]).is_err());
    }
}
