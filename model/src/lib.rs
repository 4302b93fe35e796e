//! The pure centre of Penstock: what a REST API *is*, whether it is *valid*, and where a request *goes*.
//!
//! Both planes call this crate and get the same answers: the control plane compiles a change before it commits it, a
//! node compiles the same bytes before it swaps, so what one accepts the other serves.
//!
//! | module | subject |
//! |---|---|
//! | [`id`], [`limits`], [`violation`] | names, bounds and broken rules |
//! | [`rest_api`], [`resource`], [`method`], [`integration`], [`response`], [`deployment`], [`domain`] | the operator's objects |
//! | [`definition`], [`validate`] | one API as a whole, and the rules that span its objects |
//! | [`mapping`], [`json_path`], [`uri_template`], [`aws_uri`] | the small languages inside an integration |
//! | [`content`] | what happens to bytes: conversions, templates, selection, codings |
//! | [`bundle`] | what travels to the nodes |
//! | [`table`] | the compiled routing table |
//! | [`header_list`], [`headers`], [`exchange`], [`gateway_response`] | what happens to heads, and the gateway's own answers |
//! | [`function`] | events for functions, and what they return |
//! | [`explain`] | what a request would meet, told without sending it |
//! | [`impact`] | what a change would mean for requests, told without making it |
//! | [`figures`] | what became of requests, to be added up and compared |
//! | [`openapi`], [`fragment`] | documents in and out |
//!
//! Deliberately absent: I/O, async, clocks, randomness, the environment, wire types and SQL. Time and identifiers come
//! in as arguments.

pub mod aws_uri;
pub mod bundle;
pub mod content;
pub mod definition;
pub mod deployment;
pub mod domain;
pub mod endpoint;
pub mod exchange;
pub mod explain;
pub mod figures;
pub mod fragment;
pub mod function;
pub mod gateway_response;
pub mod header_list;
pub mod headers;
pub mod id;
pub mod impact;
pub mod integration;
pub mod json_path;
pub mod limits;
pub mod mapping;
pub mod method;
pub mod number;
pub mod openapi;
pub mod resource;
pub mod response;
pub mod rest_api;
pub mod table;
pub mod uri_template;
pub mod validate;
pub mod violation;

mod text;
