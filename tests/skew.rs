//! Programs of the first release beside those of today: a node, a control plane and a client that are built from its
//! descriptors alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "skew/old_client.rs"]
mod old_client;
#[path = "skew/old_control_plane.rs"]
mod old_control_plane;
#[path = "skew/old_node.rs"]
mod old_node;
