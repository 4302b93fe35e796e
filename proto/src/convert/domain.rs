//! DomainName, BasePathMapping.

use super::{Reader, millis, revision, timestamp};
use crate::management::v1 as wire;
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::violation::Violations;

/// How the specification spells the root base path.
const ROOT_BASE_PATH: &str = "(none)";

/// A base path as the model keeps it: the root, in either of its spellings, is empty.
pub fn base_path(text: String) -> String {
    if text == ROOT_BASE_PATH { String::new() } else { text }
}

impl TryFrom<wire::DomainName> for DomainName {
    type Error = Violations;

    fn try_from(domain: wire::DomainName) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let converted = Self {
            domain_name: domain.domain_name,
            tags: domain.tags,
            created_at_ms: read.take(millis("createdDate", domain.created_date)).unwrap_or_default(),
            revision: read.take(revision(domain.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<DomainName> for wire::DomainName {
    fn from(domain: DomainName) -> Self {
        Self {
            domain_name: domain.domain_name,
            tags: domain.tags,
            created_date: timestamp(domain.created_at_ms),
            revision: domain.revision.0,
        }
    }
}

impl TryFrom<wire::BasePathMapping> for BasePathMapping {
    type Error = Violations;

    fn try_from(mapping: wire::BasePathMapping) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let converted = Self {
            domain_name: mapping.domain_name,
            base_path: base_path(mapping.base_path),
            rest_api_id: mapping.rest_api_id.into(),
            stage: (!mapping.stage.is_empty()).then(|| mapping.stage.into()),
            revision: read.take(revision(mapping.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<BasePathMapping> for wire::BasePathMapping {
    fn from(mapping: BasePathMapping) -> Self {
        Self {
            domain_name: mapping.domain_name,
            base_path: mapping.base_path,
            rest_api_id: mapping.rest_api_id.to_string(),
            stage: mapping.stage.map(|stage| stage.to_string()).unwrap_or_default(),
            revision: mapping.revision.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_root_are_one() {
        let none = wire::BasePathMapping { base_path: "(none)".into(), ..Default::default() };
        assert_eq!(BasePathMapping::try_from(none), BasePathMapping::try_from(wire::BasePathMapping::default()));
    }
}
