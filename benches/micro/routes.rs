//! Finding a route within an API, finding the API, and compiling one.

use crate::apis::{Shape, bundle, mixed};
use criterion::{BenchmarkId, Criterion, Throughput};
use http::Method;
use penstock_model::bundle::Hash;
use penstock_model::domain::BasePathMapping;
use penstock_model::id::Version;
use penstock_model::table::{RoutingTable, StageTable};
use std::hint::black_box;
use std::sync::Arc;

/// Routes of one API.
const ROUTES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// APIs of one table.
const APIS: [usize; 4] = [10, 100, 1_000, 10_000];
/// Different paths that are asked for in turn, more than a cache of the first level holds.
const PATHS: usize = 65_536;

/// `StageTable::resolve` with random paths.
pub(crate) fn find(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        for routes in ROUTES {
            let table = StageTable::compile(&bundle("api", shape, routes)).expect("it compiles");
            for hits in [true, false] {
                let name = format!("find/{}/{}", shape.name(), if hits { "hit" } else { "miss" });
                let paths: Vec<String> = mixed(PATHS, routes).map(|route| shape.path(route, hits)).collect();
                assert!(paths.iter().all(|path| table.resolve(&Method::GET, path).is_some() == hits), "{name}");
                let mut next = 0;
                criterion.benchmark_group(name).bench_function(BenchmarkId::from_parameter(routes), |bencher| {
                    bencher.iter(|| {
                        next = (next + 1) % PATHS;
                        table.resolve(&Method::GET, black_box(&paths[next])).is_some()
                    });
                });
            }
        }
    }
}

fn mapping(domain: String, base_path: String, api: usize) -> BasePathMapping {
    BasePathMapping {
        domain_name: domain,
        base_path,
        rest_api_id: format!("api{api}").as_str().into(),
        stage: Some("prod".into()),
        ..BasePathMapping::default()
    }
}

/// `RoutingTable::locate` with random hosts, or with one host and random base paths.
pub(crate) fn locate(criterion: &mut Criterion) {
    for apis in APIS {
        let stage =
            |api: usize| StageTable::compile(&bundle(&format!("api{api}"), Shape::Static, 1)).expect("it compiles");
        let stages: Vec<Arc<StageTable>> = (0..apis).map(|api| Arc::new(stage(api))).collect();
        let by_host: Vec<_> = (0..apis).map(|api| mapping(format!("d{api}.test"), String::new(), api)).collect();
        let by_path: Vec<_> = (0..apis).map(|api| mapping("one.test".to_owned(), format!("base{api}"), api)).collect();
        let random: Vec<usize> = mixed(PATHS, apis).collect();
        let requests = |hosts: bool| -> Vec<(String, String)> {
            let request = |&api: &usize| match hosts {
                true => (format!("d{api}.test"), "/collection0/part0".to_owned()),
                false => ("one.test".to_owned(), format!("/base{api}/collection0/part0")),
            };
            random.iter().map(request).collect()
        };
        for (name, mappings, requests) in [("host", by_host, requests(true)), ("base-path", by_path, requests(false))] {
            let table = RoutingTable::assemble(Version(1), Hash::default(), stages.clone(), mappings);
            assert!(requests.iter().all(|(host, path)| table.locate(host, path).is_ok()), "{name}");
            let mut next = 0;
            criterion.benchmark_group(format!("locate/{name}")).bench_function(
                BenchmarkId::from_parameter(apis),
                |bencher| {
                    bencher.iter(|| {
                        next = (next + 1) % PATHS;
                        let (host, path) = &requests[next];
                        table.locate(black_box(host), black_box(path)).is_ok()
                    });
                },
            );
        }
    }
}

/// `StageTable::compile` of one API.
pub(crate) fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for routes in ROUTES {
        let bundle = bundle("api", Shape::Parameter, routes);
        group.throughput(Throughput::Elements(routes as u64));
        group.bench_function(BenchmarkId::from_parameter(routes), |bencher| {
            bencher.iter(|| StageTable::compile(black_box(&bundle)).is_ok());
        });
    }
    group.finish();
}
