//! What one decision of the path of a request costs: finding a route, deciding about content, writing heads, converting base64; and
//! what compiling a table costs, which no request waits for.
//!
//! `cargo bench -p penstock-model --bench micro [-- FILTER]`; the figures and what each is made of are in `benches/README.md`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

#[path = "micro/apis.rs"]
mod apis;
#[path = "micro/base64.rs"]
mod base64_pieces;
#[path = "micro/decisions.rs"]
mod decisions;
#[path = "micro/routes.rs"]
mod routes;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

/// Of one figure: there are some sixty.
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_millis(2_000);
const SAMPLES: usize = 30;

fn short() -> Criterion {
    Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASURED).sample_size(SAMPLES)
}

criterion_group! {
    name = benches;
    config = short();
    targets = routes::find, routes::locate, routes::compile, decisions::content, decisions::heads, base64_pieces::convert
}
criterion_main!(benches);
