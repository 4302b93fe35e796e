//! What the routing table costs: compiling it, assembling it, and finding a route.
//!
//! `cargo bench -p penstock-model`; the figures and what they mean are in `benches/README.md`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use penstock_model::bundle::{Bundle, Hash};
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage;
use penstock_model::domain::BasePathMapping;
use penstock_model::id::Version;
use penstock_model::integration::{Integration, IntegrationType};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::table::{RoutingTable, StageTable};
use std::hint::black_box;
use std::sync::Arc;

const ROUTES_PER_API: usize = 100;

/// One API with a hundred routes, every one with a path parameter that stands in its upstream's URI.
fn bundle(number: usize) -> Bundle {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = format!("api{number}").into();
    for route in 0..ROUTES_PER_API {
        let path = format!("/collection{}/{{id}}/part{route}", route / 10);
        let id = format!("r{route}");
        definition.resources.push(Resource { id: id.as_str().into(), path, ..Resource::default() });
        let uri = "http://${stageVariables.host}/items/{id}";
        let mut integration = Integration::new(IntegrationType::HttpProxy, Some(Verb::Any), uri);
        integration.request_parameters.insert("integration.request.path.id".into(), "method.request.path.id".into());
        let mut method = Method::new(definition.rest_api.id.clone(), id.into(), Verb::Any);
        method.integration = Some(integration);
        definition.methods.push(method);
    }
    let variables = [("host".to_owned(), "127.0.0.1:9000".to_owned())].into();
    Bundle::new(definition, Stage { stage_name: "prod".into(), variables, ..Stage::default() })
}

fn stages(apis: usize) -> Vec<Arc<StageTable>> {
    (0..apis).map(|number| Arc::new(StageTable::compile(&bundle(number)).expect("compiles"))).collect()
}

fn mappings(apis: usize) -> Vec<BasePathMapping> {
    (0..apis)
        .map(|number| BasePathMapping {
            domain_name: format!("d{number}.test"),
            rest_api_id: format!("api{number}").into(),
            stage: Some("prod".into()),
            ..BasePathMapping::default()
        })
        .collect()
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(20);
    for apis in [1, 100] {
        let bundles: Vec<Bundle> = (0..apis).map(bundle).collect();
        group.throughput(Throughput::Elements((apis * ROUTES_PER_API) as u64));
        group.bench_function(BenchmarkId::new("routes", apis * ROUTES_PER_API), |bencher| {
            bencher.iter(|| {
                bundles.iter().map(|bundle| StageTable::compile(bundle).expect("compiles")).collect::<Vec<_>>()
            });
        });
    }
    group.finish();
}

fn assemble(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("assemble");
    for apis in [100, 1_000] {
        let (stages, mappings) = (stages(apis), mappings(apis));
        group.bench_function(BenchmarkId::new("apis", apis), |bencher| {
            bencher.iter_batched(
                || stages.clone(),
                |stages| RoutingTable::assemble(Version(1), Hash::default(), stages, mappings.clone()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    for apis in [1, 10, 100, 1_000] {
        let table = RoutingTable::assemble(Version(1), Hash::default(), stages(apis), mappings(apis));
        let requests: Vec<(String, String)> = (0..4_096)
            .map(|at: usize| {
                let mixed = at.wrapping_mul(0x9e37_79b9) >> 3;
                let route = mixed % ROUTES_PER_API;
                (format!("d{}.test", mixed % apis), format!("/collection{}/id{at}/part{route}", route / 10))
            })
            .collect();
        let mut next = 0;
        group.bench_function(BenchmarkId::new("routes", apis * ROUTES_PER_API), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % requests.len();
                let (host, path) = &requests[next];
                let located = table.locate(black_box(host), black_box(path)).expect("is mapped");
                located.stage.resolve(&http::Method::GET, located.route_path).expect("is a route")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compile, assemble, lookup);
criterion_main!(benches);
