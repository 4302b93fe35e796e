//! Resource.

use super::{Reader, revision};
use crate::management::v1 as wire;
use penstock_model::resource::Resource;
use penstock_model::violation::Violations;

impl TryFrom<wire::Resource> for Resource {
    type Error = Violations;

    fn try_from(resource: wire::Resource) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let converted = Self {
            id: resource.id.into(),
            rest_api_id: resource.rest_api_id.into(),
            parent_id: (!resource.parent_id.is_empty()).then(|| resource.parent_id.into()),
            path_part: resource.path_part,
            path: resource.path,
            revision: read.take(revision(resource.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<Resource> for wire::Resource {
    fn from(resource: Resource) -> Self {
        Self {
            id: resource.id.to_string(),
            rest_api_id: resource.rest_api_id.to_string(),
            parent_id: resource.parent_id.map(|id| id.to_string()).unwrap_or_default(),
            path_part: resource.path_part,
            path: resource.path,
            revision: resource.revision.0,
        }
    }
}
