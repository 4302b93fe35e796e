//! From bundles to tables. Runs on blocking threads: never on a thread that serves requests, and not on the one that
//! keeps the stream alive.

use super::wire::shortened;
use crate::causes::with_causes;
use crate::live_table::LiveTable;
use crate::subscription::{Table, Uncompiled};
use penstock_model::bundle::Hash;
use penstock_model::table::StageTable;
use penstock_proto::convert::decode_bundle;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A bundle and what became of it.
pub(crate) type Compiled = (Hash, Result<Arc<StageTable>, String>);

/// Compiles each bundle; a bundle that cannot be compiled leaves the others alone.
pub(crate) fn compile(bundles: Vec<Uncompiled>) -> Vec<Compiled> {
    bundles
        .into_iter()
        .map(|bundle| {
            // The bytes come from outside. Whatever they do to the compiler, the node must live to tell.
            let result = catch_unwind(AssertUnwindSafe(|| compile_one(&bundle)))
                .unwrap_or_else(|_| Err("the compiler panicked".to_owned()));
            (bundle.hash, result)
        })
        .collect()
}

fn compile_one(bundle: &Uncompiled) -> Result<Arc<StageTable>, String> {
    let decoded = decode_bundle(&bundle.bytes).map_err(|error| in_words(&error))?;
    let key = decoded.key();
    if key != bundle.key {
        let reason = format!("the manifest says that it is {:?}, but it is {key:?}", bundle.key);
        return Err(shortened(reason));
    }
    StageTable::compile(&decoded).map(Arc::new).map_err(|violations| shortened(violations.to_string()))
}

/// Makes the parts one table and swaps it in; the number of its routes. The old table, if nobody else holds it, is
/// freed here too.
pub(crate) fn swap(live_table: &LiveTable, parts: Table<Arc<StageTable>>) -> u64 {
    let Table { version, root_hash, stages, base_path_mappings } = parts;
    let table = live_table.load().followed_by(version, root_hash, stages, base_path_mappings);
    let route_count = table.route_count() as u64;
    drop(live_table.swap(table));
    route_count
}

/// An error with its causes, no longer than a report may be.
pub(super) fn in_words(error: &dyn Error) -> String {
    shortened(with_causes(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use penstock_model::bundle::{Bundle, BundleKey};
    use penstock_model::definition::ApiDefinition;
    use penstock_model::deployment::Stage;
    use penstock_proto::convert::{bundle_hash, encode_bundle};

    fn uncompiled(bytes: Bytes, api: &str) -> Uncompiled {
        let key = BundleKey { rest_api_id: api.into(), stage_name: "v1".into() };
        Uncompiled { key, hash: bundle_hash(&bytes), bytes }
    }

    fn good() -> Bytes {
        let mut definition = ApiDefinition::default();
        definition.rest_api.id = "a".into();
        let stage = Stage { rest_api_id: "a".into(), stage_name: "v1".into(), ..Stage::default() };
        encode_bundle(&Bundle::new(definition, stage))
    }

    #[test]
    fn one_bad_bundle_leaves_the_others_alone() {
        let bad = Bytes::from_static(&[0xff; 8]);
        let results = compile(vec![uncompiled(bad, "a"), uncompiled(good(), "a"), uncompiled(good(), "b")]);
        let results: Vec<_> = results.into_iter().map(|(_, result)| result).collect();
        assert!(results[0].as_ref().is_err_and(|reason| reason.starts_with("reading the bytes of a bundle: ")));
        assert_eq!(results[1].as_ref().unwrap().key().rest_api_id.as_str(), "a");
        assert!(results[2].as_ref().is_err_and(|reason| reason.contains("the manifest says")));
    }
}
