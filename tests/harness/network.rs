//! Programs in network namespaces of their own, with links between them that a test can cut: silently, as a broken switch
//! does, in either direction. Nothing is refused then; packets are sent and never arrive.
//!
//! A direction is cut by a wrong hardware address in the sender's table of neighbours: the receiver drops what is not for
//! it. That needs no module of the kernel, and works on connections that are open.

use crate::held::{Held, has, run};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// Networks of one test.
const NETWORKS_MAX: u32 = 32;
/// A hardware address that nobody has.
const NOBODY: &str = "02:00:00:00:ff:ff";

/// A namespace with a network card towards this process. It is gone when this is dropped and its programs have ended.
#[derive(Debug)]
pub struct Namespace {
    held: Held,
    wrapper: Vec<String>,
    /// Where programs in it are reached.
    pub address: Ipv4Addr,
    /// Where this process is reached from it, and from others of its kind.
    pub outside: IpAddr,
}

impl Namespace {
    /// Makes one; `None` where this process may not, which is then said. `number` tells those of one test apart.
    pub fn new(number: u32) -> Option<Self> {
        let needed = "root and iproute2 (Debian: apt-get install iproute2), for network namespaces";
        if !has(needed, &["unshare", "--net", "ip", "link", "add", "va0", "type", "veth", "peer", "name", "va1"]) {
            return None;
        }
        assert!(number < NETWORKS_MAX);
        let held = Held::by("unshare", &["--net", "/bin/sh", "-c", "ip link set lo up && echo ready && read -r _"]);
        // Addresses that are set aside for benches (RFC 2544), a pair of them for each namespace of each process.
        let pair = (std::process::id() * NETWORKS_MAX + number) % (1 << 15);
        let address = |end: u32| Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + pair * 4 + end);
        let (outside, inside) = (address(1), address(2));
        let (card, pid) = (format!("ps{}n{number}", std::process::id()), held.pid().to_string());
        ip(&["link", "add", &card, "type", "veth", "peer", "name", "front", "netns", &pid]);
        ip(&["addr", "add", &format!("{outside}/30"), "dev", &card]);
        ip(&["link", "set", &card, "up"]);
        let wrapper = vec!["nsenter".to_owned(), format!("--net=/proc/{pid}/ns/net")];
        let namespace = Self { held, wrapper, address: inside, outside: outside.into() };
        namespace.ip(&["addr", "add", &format!("{inside}/30"), "dev", "front"]);
        namespace.ip(&["link", "set", "front", "up"]);
        namespace.ip(&["route", "add", "default", "via", &outside.to_string()]);
        Some(namespace)
    }

    /// The words before those of a program that is to run in it.
    pub fn wrapper(&self) -> Vec<&str> {
        self.wrapper.iter().map(String::as_str).collect()
    }

    fn ip(&self, words: &[&str]) {
        run(Command::new(&self.wrapper[0]).arg(&self.wrapper[1]).arg("ip").args(words));
    }
}

fn ip(words: &[&str]) {
    run(Command::new("ip").args(words));
}

/// Which packets of a link are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Those of both directions.
    Both,
    /// Those to the near end.
    ToNear,
    /// Those to the far end.
    ToFar,
}

/// A cable between two namespaces, and the only way from the far one to the near one.
#[derive(Debug)]
pub struct Cable<'a> {
    ends: [End<'a>; 2],
}

impl<'a> Cable<'a> {
    /// Connects them: programs in `far` reach those in `near` at its address. `number` tells the cables of one test apart.
    pub fn new(near: &'a Namespace, far: &'a Namespace, number: u8) -> Self {
        let end = |namespace, side: u8| {
            let hardware = format!("02:00:00:00:{number:02x}:{side:02x}");
            (namespace, format!("cable{number}s{side}"), Ipv4Addr::new(10, 77, number, side), hardware)
        };
        let ends = [end(near, 1), end(far, 2)];
        let [(_, card, _, hardware), (_, far_card, _, far_hardware)] = &ends;
        let pid = far.held.pid().to_string();
        let far_end = ["peer", "name", far_card, "address", far_hardware, "netns", &pid];
        near.ip(&[&["link", "add", card, "address", hardware, "type", "veth"][..], &far_end].concat());
        for (namespace, card, address, _) in &ends {
            namespace.ip(&["addr", "add", &format!("{address}/30"), "dev", card]);
            namespace.ip(&["link", "set", card, "up"]);
        }
        far.ip(&["route", "add", &format!("{}/32", near.address), "via", &ends[0].2.to_string()]);
        let cable = Self { ends };
        cable.mend();
        cable
    }

    /// Loses packets from now on.
    pub fn cut(&self, loss: Loss) {
        let [near, far] = &self.ends;
        if loss != Loss::ToNear {
            lead(near, far, NOBODY);
        }
        if loss != Loss::ToFar {
            lead(far, near, NOBODY);
        }
    }

    /// Loses none any more.
    pub fn mend(&self) {
        let [near, far] = &self.ends;
        lead(near, far, &far.3);
        lead(far, near, &near.3);
    }
}

type End<'a> = (&'a Namespace, String, Ipv4Addr, String);

/// Makes what `from` sends to `to` go to this hardware address.
fn lead(from: &End<'_>, to: &End<'_>, hardware: &str) {
    let (namespace, card, ..) = from;
    namespace.ip(&["neigh", "replace", &to.2.to_string(), "lladdr", hardware, "dev", card, "nud", "permanent"]);
}
