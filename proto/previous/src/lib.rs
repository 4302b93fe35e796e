//! The wire as earlier releases had it: types generated from the descriptors in `proto/releases`, one module for each
//! release. For tests that let a release and this program meet; nothing that ships knows them.

/// The first state of the protocol that worked: no changes as differences, no questions about recent requests, no waiting
/// deployments, no state directories.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines, reason = "as generated")]
pub mod first {
    /// The management API.
    pub mod management {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/0.1-first/penstock.management.v1.rs"));
        }
    }

    /// The discovery protocol.
    pub mod discovery {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/0.1-first/penstock.discovery.v1.rs"));
        }
    }
}
