//! What `penstock up` says once it serves: where everything is, and the command to try.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::ports::reachable;
use crate::client::DEFAULT_ADDRESS;
use crate::output::emit_bytes;

/// Where the photo is that comes with the sources.
const SAMPLE: &str = "examples/my_image.jpg";
/// What a photo is called in the command where there is none.
const ANY_PHOTO: &str = "my_image.jpg";

/// Everything that a newcomer needs to know.
#[derive(Debug)]
pub(crate) struct Banner {
    /// Where the database is.
    pub(crate) data_dir: PathBuf,
    /// Requests.
    pub(crate) proxy: SocketAddr,
    /// The proxy's health and metrics.
    pub(crate) admin: SocketAddr,
    /// The management API.
    pub(crate) grpc: SocketAddr,
    /// The control plane's health and metrics.
    pub(crate) control_admin: SocketAddr,
    /// The example, with --demo.
    pub(crate) resizer: Option<SocketAddr>,
}

impl Banner {
    /// Writes it to standard output.
    pub(crate) fn print(&self) {
        let photo = [ANY_PHOTO, SAMPLE].into_iter().find(|path| Path::new(path).exists());
        // Where nobody reads, serving goes on.
        let _ = emit_bytes(self.text(photo.unwrap_or(ANY_PHOTO)).as_bytes());
    }

    fn text(&self, photo: &str) -> String {
        let base = format!("http://{}", host_and_port(self.proxy));
        let control_plane = format!("http://{}", reachable(self.grpc));
        let elsewhere = control_plane != DEFAULT_ADDRESS;
        let mut text = String::from("\nPenstock is up.\n\n");
        let mut line = |what: &str, value: &str, note: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {what:<16}{value}{note}");
        };
        line("proxy", &base, "");
        line("", &format!("http://{}", reachable(self.admin)), "  (/health/ready, /metrics)");
        line("control plane", &control_plane, "  (gRPC with reflection)");
        line("", &format!("http://{}", reachable(self.control_admin)), "  (/health/ready, /metrics)");
        if let Some(resizer) = self.resizer {
            line("image resizer", &format!("http://{}", reachable(resizer)), "");
        }
        line("data directory", &self.data_dir.display().to_string(), "");
        if elsewhere {
            text += &format!("\nFor the other commands:\n\n  export PENSTOCK_CONTROL_PLANE={control_plane}\n");
        }
        text += &if self.resizer.is_some() {
            format!(
                "\nSend a photo through the gateway, and get it back at half the width and height:\n\n  curl -X POST \
                 {base}/images -H 'Content-Type: image/jpeg' --data-binary @{photo} -o resized.jpg\n"
            )
        } else {
            "\nRegister an API from an OpenAPI document and serve it on every host:\n\n  penstock api import api.yaml \
             --stage prod --auto-deploy --domain '*'\n\nand see what is served with `penstock routes`.\n"
                .to_owned()
        };
        text + "\nCtrl-C stops everything.\n"
    }
}

/// As people type it: a name for the loopback address.
fn host_and_port(address: SocketAddr) -> String {
    let address = reachable(address);
    if address.ip().is_loopback() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(resizer: Option<&str>) -> Banner {
        let address = |text: &str| text.parse().unwrap();
        Banner {
            data_dir: "/data/penstock".into(),
            proxy: address("127.0.0.1:8080"),
            admin: address("127.0.0.1:8081"),
            grpc: address("127.0.0.1:50051"),
            control_admin: address("127.0.0.1:9090"),
            resizer: resizer.map(address),
        }
    }

    #[test]
    fn the_demo_ends_with_the_command_as_it_is_documented() {
        let text = banner(Some("127.0.0.1:9000")).text("my_image.jpg");
        let command = "curl -X POST http://localhost:8080/images -H 'Content-Type: image/jpeg' --data-binary \
                       @my_image.jpg -o resized.jpg";
        assert!(text.contains(command), "{text}");
        assert!(text.contains("/data/penstock"), "{text}");
        assert!(!text.contains("export"), "the default address needs no variable: {text}");
    }

    #[test]
    fn other_ports_are_in_the_commands() {
        let mut banner = banner(Some("127.0.0.1:9000"));
        banner.proxy = "0.0.0.0:8188".parse().unwrap();
        banner.grpc = "127.0.0.1:50099".parse().unwrap();
        let text = banner.text("my_image.jpg");
        assert!(text.contains("http://localhost:8188/images"), "{text}");
        assert!(text.contains("export PENSTOCK_CONTROL_PLANE=http://127.0.0.1:50099"), "{text}");
    }

    #[test]
    fn without_the_demo_it_says_how_to_begin() {
        let text = banner(None).text("my_image.jpg");
        assert!(text.contains("penstock api import") && !text.contains("curl"), "{text}");
    }

    #[test]
    fn an_address_of_this_machine_alone_is_called_localhost() {
        assert_eq!(host_and_port("[::1]:80".parse().unwrap()), "localhost:80");
        assert_eq!(host_and_port("10.0.0.7:80".parse().unwrap()), "10.0.0.7:80");
    }
}
