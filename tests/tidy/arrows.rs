//! Which file may name what: the arrows between the rooms of the house. A new arrow is a design change, so it needs its
//! reason in `ARCHITECTURE.md` and its line here.

use crate::rust::{line_of, paths};
use crate::tree::{Tree, Violation};

/// A path, and the only places whose shipped code may name it.
struct Home {
    names: &'static [&'static str],
    /// Beginnings of paths in the repository.
    only_in: &'static [&'static str],
}

/// A place, and what its shipped code must never name.
struct Blind {
    /// Beginnings of paths in the repository.
    places: &'static [&'static str],
    names: &'static [&'static str],
    because: &'static str,
}

const HOMES: &[Home] = &[
    Home {
        names: &["tonic", "tonic_prost", "tonic_types", "tonic_health", "tonic_reflection"],
        only_in: &[
            "proto/src/lib.rs",
            // Both ends of a channel: what identifies us in it, and what it runs over.
            "link/src/",
            "control-plane/src/api/",
            // What serves the API: a router, and connections that know their peer.
            "control-plane/src/process.rs",
            "control-plane/src/connection.rs",
            "data-plane/src/subscriber",
            "data-plane/src/settings.rs",
            "cli/src/",
        ],
    },
    Home {
        names: &["penstock_proto::management", "penstock_proto::discovery"],
        only_in: &["control-plane/src/api/", "data-plane/src/subscriber", "cli/src/"],
    },
    Home { names: &["penstock_proto::state"], only_in: &["data-plane/src/state_dir/"] },
    Home { names: &["sqlx"], only_in: &["control-plane/src/store/"] },
    Home { names: &["arc_swap"], only_in: &["data-plane/src/live_table.rs"] },
    // What is kept of names, and for how long, is ours; the library only asks.
    Home { names: &["hickory_resolver"], only_in: &["data-plane/src/upstream/names/dns.rs"] },
    Home { names: &["hyper::client", "hyper_util::client"], only_in: &["data-plane/src/upstream/"] },
    Home {
        names: &["std::env"],
        only_in: &[
            "control-plane/src/settings.rs",
            "control-plane/src/main.rs",
            "data-plane/src/settings.rs",
            "data-plane/src/main.rs",
            "examples/image-resizer/src/settings.rs",
            "examples/image-resizer/src/main.rs",
            "examples/image-function/src/main.rs",
            "proto/examples/freeze.rs",
            // A command line is made of its surroundings: arguments, NO_COLOR, the program that it starts again.
            "cli/src/",
        ],
    },
];

const BLIND: &[Blind] = &[
    Blind {
        places: &["model/src/"],
        names: &[
            "std::env",
            "std::fs",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
            "std::net::TcpStream",
            "std::net::UdpSocket",
        ],
        because: "the model does no I/O; time and surroundings are arguments",
    },
    Blind {
        places: &["control-plane/src/store/"],
        names: &["crate::api", "crate::app", "crate::publisher", "crate::publication", "crate::fleet"],
        because: "the store knows rows and the model, no rule and no transport",
    },
    Blind {
        places: &["control-plane/src/app/"],
        names: &["crate::api", "crate::fleet"],
        because: "a use case knows no transport and no node",
    },
    Blind {
        places: &["control-plane/src/api/"],
        names: &["crate::store"],
        because: "the API asks the application, never the database",
    },
    Blind {
        places: &["control-plane/src/security/"],
        names: &["crate::api", "crate::store", "crate::fleet", "tonic"],
        because: "who may call is decided by permissions and credentials, whatever the services are",
    },
    Blind {
        places: &["link/src/"],
        names: &["penstock_proto", "penstock_model"],
        because: "certificates and tokens know no service and no configuration",
    },
    Blind {
        places: &["control-plane/src/publisher.rs", "control-plane/src/publication", "control-plane/src/fleet"],
        names: &["crate::api", "crate::app"],
        because: "what is published does not depend on who asks",
    },
    Blind {
        places: &["data-plane/src/subscription"],
        names: &[
            "tokio",
            "std::fs",
            "std::time::Instant::now",
            "std::time::SystemTime",
            "crate::subscriber",
            "crate::live_table",
            "crate::state_dir",
        ],
        because: "the protocol's decisions are taken without I/O, so that a seed replays them",
    },
    Blind {
        places: &[
            "data-plane/src/live_table.rs",
            "data-plane/src/body.rs",
            "data-plane/src/finish.rs",
            "data-plane/src/outgoing.rs",
            "data-plane/src/request_side.rs",
            "data-plane/src/response_side.rs",
            "data-plane/src/transform",
            "data-plane/src/upstream/",
            "data-plane/src/framing/",
        ],
        names: &["crate::call", "crate::gateway", "crate::server", "crate::subscriber"],
        because: "only the gateway calls the rooms of a request",
    },
    Blind {
        places: &["data-plane/src/call.rs", "data-plane/src/gateway", "data-plane/src/server"],
        names: &["crate::subscriber", "crate::subscription", "crate::state_dir"],
        because: "a request must not notice that a configuration arrives",
    },
    Blind {
        places: &["data-plane/src/state_dir"],
        names: &["tokio", "std::time::SystemTime", "crate::subscriber", "crate::live_table"],
        because: "what is kept is written and read by whoever has the thread and the time for it",
    },
];

/// Every import and every path that points where it must not.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        let Some(code) = file.shipped() else { continue };
        for (at, named) in paths(code) {
            let named = from_crate(&file.path, named);
            let violation = |text: String| Violation::at(&file.path, line_of(code, at), text);
            for home in HOMES {
                if home.names.iter().any(|name| is_below(&named, name)) && !starts_with_any(&file.path, home.only_in) {
                    violations.push(violation(format!("`{named}` may only be named in {}", home.only_in.join(", "))));
                }
            }
            for blind in BLIND.iter().filter(|blind| starts_with_any(&file.path, blind.places)) {
                if blind.names.iter().any(|name| is_below(&named, name)) {
                    violations.push(violation(format!("`{named}` must not be named here: {}", blind.because)));
                }
            }
        }
    }
    violations
}

/// Places in the rules above where there is no file any more, so that a rule would guard nothing.
pub(crate) fn check_places(tree: &Tree) -> Vec<Violation> {
    let places = HOMES.iter().flat_map(|home| home.only_in).chain(BLIND.iter().flat_map(|blind| blind.places));
    let is_empty = |place: &&&str| !tree.files.iter().any(|file| file.path.starts_with(**place));
    places
        .filter(is_empty)
        .map(|place| Violation::of(place, "is named in tests/tidy/arrows.rs, and is not there"))
        .collect()
}

/// A path that climbs with `super`, as it is from the crate's root.
fn from_crate(file: &str, named: String) -> String {
    let rest = named.trim_start_matches("super::");
    let floors = (named.len() - rest.len()) / "super::".len();
    let Some((_, inside)) = file.split_once("/src/").filter(|_| floors > 0) else { return named };
    let mut modules: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    modules.pop_if(|name| matches!(*name, "mod" | "lib" | "main"));
    // A module within the file may climb further than the file can.
    modules.truncate(modules.len().saturating_sub(floors));
    ["crate"].into_iter().chain(modules).chain([rest]).collect::<Vec<_>>().join("::")
}

fn starts_with_any(path: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| path.starts_with(beginning))
}

fn is_below(named: &str, name: &str) -> bool {
    named.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, code: &str) -> usize {
        check(&Tree::of([(path, code)])).len()
    }

    #[test]
    fn a_name_far_from_home_is_found() {
        assert_eq!(broken("control-plane/src/app/stages.rs", "use tonic::Status;"), 1);
        assert_eq!(broken("control-plane/src/api/stage.rs", "use tonic::Status;"), 0);
        assert_eq!(broken("control-plane/src/app/stages.rs", "fn f() { sqlx::query(\"\") }"), 1);
        assert_eq!(broken("control-plane/src/store/sql.rs", "fn f() { sqlx::query(\"\") }"), 0);
        assert_eq!(broken("data-plane/src/gateway.rs", "use arc_swap::ArcSwap;"), 1);
        assert_eq!(broken("data-plane/src/live_table.rs", "use arc_swap::ArcSwap;"), 0);
        assert_eq!(broken("data-plane/src/gateway.rs", "use hyper::{body::Incoming, client::conn::http1};"), 1);
        assert_eq!(broken("data-plane/src/gateway.rs", "use std::{fmt, env};"), 1);
        assert_eq!(broken("data-plane/src/settings.rs", "use std::{fmt, env};"), 0);
    }

    #[test]
    fn a_room_that_looks_where_it_must_not_is_found() {
        assert_eq!(broken("model/src/text.rs", "fn f() { std::fs::read(x) }"), 1);
        assert_eq!(broken("control-plane/src/store/sql.rs", "use crate::app::Change;"), 1);
        assert_eq!(broken("control-plane/src/app/stages.rs", "use crate::api::Page;"), 1);
        assert_eq!(broken("control-plane/src/api/stage.rs", "use crate::{app::App, store::Store};"), 1);
        assert_eq!(broken("data-plane/src/subscription/offer.rs", "use tokio::time;"), 1);
        assert_eq!(broken("data-plane/src/upstream/pool.rs", "use crate::gateway::Gateway;"), 1);
        assert_eq!(broken("data-plane/src/server.rs", "use crate::subscriber::Status;"), 1);
    }

    #[test]
    fn a_rule_that_guards_nothing_is_found() {
        let complete = HOMES.iter().flat_map(|home| home.only_in).chain(BLIND.iter().flat_map(|blind| blind.places));
        let complete = || complete.clone().map(|place| (format!("{place}x"), ""));
        assert!(check_places(&Tree::of(complete())).is_empty());
        let without = complete().filter(|(path, _)| !path.starts_with("data-plane/src/live_table"));
        assert!(!check_places(&Tree::of(without)).is_empty());
    }

    #[test]
    fn climbing_does_not_hide_an_arrow() {
        assert_eq!(broken("control-plane/src/app/stages.rs", "use super::super::api::Page;"), 1);
        assert_eq!(broken("control-plane/src/app/mod.rs", "use super::{api::Page, store};"), 1);
        assert_eq!(broken("control-plane/src/store/sqlite/reads.rs", "use super::super::app;"), 0);
        assert_eq!(broken("data-plane/src/live_table.rs", "use super::gateway::Gateway;"), 1);
    }

    #[test]
    fn tests_comments_and_longer_names_are_free() {
        assert_eq!(broken("data-plane/tests/smoke.rs", "use tonic::Status;"), 0);
        assert_eq!(
            broken("data-plane/src/gateway.rs", "// tonic::Status\n#[cfg(test)]\nmod tests { use tonic::Status; }"),
            0
        );
        assert_eq!(broken("data-plane/src/gateway.rs", "use tonic_like::x; use crate::tonic::y;"), 0);
    }
}
