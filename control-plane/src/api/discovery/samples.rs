//! Publications for tests.

use crate::publication::{Built, Changes, Publication, encode};
use penstock_model::bundle::Bundle;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage;
use penstock_model::id::Version;
use std::sync::Arc;

/// A publication of one stage for each (API, description) pair.
pub(super) fn publication(version: u64, apis: &[(&str, &str)]) -> Arc<Publication> {
    let bundles = apis
        .iter()
        .map(|(api, description)| {
            let mut definition = ApiDefinition::default();
            definition.rest_api.id = (*api).into();
            definition.rest_api.description = (*description).into();
            let stage = Stage { rest_api_id: (*api).into(), stage_name: "v1".into(), ..Stage::default() };
            let bundle = Bundle::new(definition, stage);
            let (hash, bytes) = encode(&bundle).expect("it is small");
            (bundle.key(), Some(Built { hash, bytes, table: None }))
        })
        .collect();
    let changes = Changes { bundles, base_path_mappings: Some(Vec::new()) };
    Arc::new(Publication::default().with(changes).numbered(Version(version)))
}
