//! Which call needs which permission: one table of everything that is served.
//!
//! A call that is missing here is for admins, and a test says so before it ships.

use crate::security::Permission::{self, Administer, Known, Open, Read, Subscribe, Write};

/// Each service with its calls.
const TABLE: &[(&str, &[(&str, Permission)])] = &[
    ("penstock.discovery.v1.DiscoveryService", &[("Subscribe", Subscribe)]),
    ("penstock.management.v1.AuditService", &[("ListAuditEntries", Administer)]),
    ("penstock.management.v1.BackupService", &[("Backup", Administer), ("Restore", Administer)]),
    (
        "penstock.management.v1.DeploymentService",
        &[
            ("CreateDeployment", Write),
            // Changes nothing, and shows paths that clients have asked for.
            ("PreviewDeployment", Write),
            ("GetDeployment", Read),
            ("ListDeployments", Read),
            ("DeleteDeployment", Write),
            ("WatchNodeCanary", Read),
            ("EndNodeCanary", Write),
        ],
    ),
    (
        "penstock.management.v1.DomainNameService",
        &[
            ("CreateDomainName", Write),
            ("GetDomainName", Read),
            ("ListDomainNames", Read),
            ("UpdateDomainName", Write),
            ("DeleteDomainName", Write),
            ("CreateBasePathMapping", Write),
            ("GetBasePathMapping", Read),
            ("ListBasePathMappings", Read),
            ("UpdateBasePathMapping", Write),
            ("DeleteBasePathMapping", Write),
        ],
    ),
    ("penstock.management.v1.ExplainService", &[("Explain", Read)]),
    (
        "penstock.management.v1.FleetService",
        &[("GetConfiguration", Read), ("ListRoutes", Read), ("ListNodes", Read), ("WatchRollout", Read)],
    ),
    (
        "penstock.management.v1.GatewayResponseService",
        &[
            ("PutGatewayResponse", Write),
            ("GetGatewayResponse", Read),
            ("ListGatewayResponses", Read),
            ("UpdateGatewayResponse", Write),
            ("DeleteGatewayResponse", Write),
        ],
    ),
    (
        "penstock.management.v1.MethodService",
        &[
            ("CreateMethod", Write),
            ("GetMethod", Read),
            ("ListMethods", Read),
            ("UpdateMethod", Write),
            ("DeleteMethod", Write),
            ("PutIntegration", Write),
            ("GetIntegration", Read),
            ("UpdateIntegration", Write),
            ("DeleteIntegration", Write),
            ("PutIntegrationResponse", Write),
            ("GetIntegrationResponse", Read),
            ("DeleteIntegrationResponse", Write),
            ("PutMethodResponse", Write),
            ("GetMethodResponse", Read),
            ("DeleteMethodResponse", Write),
        ],
    ),
    (
        "penstock.management.v1.ResourceService",
        &[
            ("CreateResource", Write),
            ("GetResource", Read),
            ("ListResources", Read),
            ("UpdateResource", Write),
            ("DeleteResource", Write),
        ],
    ),
    (
        "penstock.management.v1.RestApiService",
        &[
            ("CreateRestApi", Write),
            ("GetRestApi", Read),
            ("ListRestApis", Read),
            ("UpdateRestApi", Write),
            ("DeleteRestApi", Write),
            ("ImportRestApi", Write),
            ("PutRestApi", Write),
            ("ExportRestApi", Read),
            ("ApplyFragment", Write),
        ],
    ),
    (
        "penstock.management.v1.StageService",
        &[
            ("CreateStage", Write),
            ("GetStage", Read),
            ("ListStages", Read),
            ("UpdateStage", Write),
            ("PromoteCanary", Write),
            ("DeleteStage", Write),
        ],
    ),
    // Whether the process is well is for load balancers and supervisors, who have no credentials.
    ("grpc.health.v1.Health", &[("Check", Open), ("Watch", Open)]),
    // What can be called is no secret, and nobody else's business either.
    ("grpc.reflection.v1.ServerReflection", &[("ServerReflectionInfo", Known)]),
    ("grpc.reflection.v1alpha.ServerReflection", &[("ServerReflectionInfo", Known)]),
];

/// What a call needs, by its `Service/Method`.
pub(super) fn needed(rpc: &str) -> Permission {
    found(rpc).unwrap_or(Administer)
}

/// Whether a call with this permission may go on for long after it was let in.
pub(super) fn lasts(permission: Permission) -> bool {
    permission == Subscribe
}

fn found(rpc: &str) -> Option<Permission> {
    let (service, method) = rpc.split_once('/')?;
    let (_, calls) = TABLE.iter().find(|(name, _)| *name == service)?;
    calls.iter().find(|(name, _)| *name == method).map(|(_, permission)| *permission)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use std::collections::BTreeSet;

    /// Every call that the control plane serves, by the descriptors that it shows to strangers.
    fn served() -> BTreeSet<String> {
        let sets = [
            penstock_proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut all = BTreeSet::new();
        for file in sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file) {
            for service in &file.service {
                all.extend(
                    service
                        .method
                        .iter()
                        .map(|method| format!("{}.{}/{}", file.package(), service.name(), method.name())),
                );
            }
        }
        all
    }

    #[test]
    fn every_call_has_its_permission_and_no_permission_is_without_a_call() {
        let listed: Vec<String> = TABLE
            .iter()
            .flat_map(|(service, calls)| calls.iter().map(move |(call, _)| format!("{service}/{call}")))
            .collect();
        let unique: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(unique.len(), listed.len(), "a call is listed twice");
        assert_eq!(unique, served());
    }

    #[test]
    fn reading_calls_are_for_viewers_and_the_others_are_not() {
        for rpc in served().iter().filter(|rpc| rpc.starts_with("penstock.management.v1.")) {
            let method = rpc.split('/').next_back().unwrap();
            let reads = ["Get", "List", "Export", "Explain", "Watch"].iter().any(|verb| method.starts_with(verb));
            match needed(rpc) {
                Read => assert!(reads, "{rpc} does not read"),
                Write => assert!(!reads, "{rpc} reads"),
                Administer => {}
                Open | Known | Subscribe => panic!("{rpc} manages"),
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_for_admins() {
        for rpc in
            ["", "x", "penstock.management.v1.StageService/Explode", "penstock.management.v2.StageService/GetStage"]
        {
            assert_eq!(needed(rpc), Administer, "{rpc}");
        }
    }
}
