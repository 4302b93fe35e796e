//! Penstock's wire: the generated protobuf types, and the one border between them and the model.
//!
//! `convert` is the only place that knows both sides. Wire types are never stored and never decide anything.

pub mod convert;

/// The management API, as generated.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod management {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("penstock.management.v1");
    }
}

/// The discovery protocol, as generated.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod discovery {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("penstock.discovery.v1");
    }
}

/// What a node keeps on its disk, as generated.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod state {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("penstock.state.v1");
    }
}

/// The encoded `FileDescriptorSet` of every file, for reflection and for the JSON mapping.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
