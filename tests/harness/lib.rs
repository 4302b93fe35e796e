//! Starts the real programs, talks to them as strangers would, and waits for states instead of sleeping.
//!
//! A test makes a [`World`], adds upstreams and APIs to it, and speaks HTTP to its proxies. Everything listens on port
//! 0, lives in a directory of its own and dies with the `World`.

#![allow(clippy::unwrap_used, reason = "a harness that cannot go on has nothing better to do than to say where")]

pub mod addresses;
pub mod client;
pub mod clock;
pub mod coding;
pub mod content;
pub mod corpus;
pub mod cpu;
pub mod disk;
pub mod dns;
pub mod frames;
pub mod functions;
pub mod held;
pub mod lambda;
pub mod load;
pub mod memory;
pub mod network;
pub mod payload;
pub mod pki;
pub mod postgres;
pub mod previous;
pub mod process;
pub mod replicas;
pub mod rollout;
pub mod scale;
pub mod seed;
pub mod slow;
pub mod stranger;
pub mod strict;
pub mod tls;
pub mod traffic;
pub mod upstream;
pub mod wait;
pub mod world;
pub mod writers;

pub use scale::{full, sized};
pub use world::World;
