use std::collections::HashMap;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// The services of the suite that clients reach through the gateway. A package
/// `datacovey.<name>.v1` belongs to the service of that name, which is also the audience of the
/// internal tokens that are sent to it.
pub(crate) const UPSTREAMS: [&str; 4] = ["identity", "catalog", "query", "transfer"];

/// The public methods by their path, as the descriptors list them: whatever is reflected is
/// routed and the other way round, and a new method needs no code here.
#[derive(Clone, Debug)]
pub(crate) struct RouteTable {
    methods: HashMap<String, &'static str>,
    /// Full names with the upstream of each, in the order of the descriptors.
    services: Vec<(String, &'static str)>,
}

/// The descriptors do not fit the suite; a fault of the build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadDescriptors {
    #[error("the descriptor set cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
    #[error("the service {0} belongs to no upstream")]
    NoUpstream(String),
}

impl RouteTable {
    /// Reads an encoded `FileDescriptorSet`. Packages of others (`google.protobuf`) and
    /// `datacovey.internal.*` are passed over, should they be in it.
    pub(crate) fn from_descriptors(encoded: &[u8]) -> Result<Self, BadDescriptors> {
        let set = FileDescriptorSet::decode(encoded)?;
        let mut table = Self {
            methods: HashMap::new(),
            services: Vec::new(),
        };
        for file in &set.file {
            let package = file.package();
            let ours = package
                .strip_prefix("datacovey.")
                .filter(|rest| !rest.starts_with("internal."));
            let Some(name) = ours.and_then(|rest| rest.split('.').next()) else {
                continue;
            };
            for service in &file.service {
                let full_name = format!("{package}.{}", service.name());
                let Some(upstream) = UPSTREAMS.into_iter().find(|upstream| *upstream == name) else {
                    return Err(BadDescriptors::NoUpstream(full_name));
                };
                for method in &service.method {
                    table
                        .methods
                        .insert(format!("/{full_name}/{}", method.name()), upstream);
                }
                table.services.push((full_name, upstream));
            }
        }
        Ok(table)
    }

    /// Which of [`UPSTREAMS`] serves a path like `/datacovey.catalog.v1.TableService/GetTable`.
    #[must_use]
    pub(crate) fn upstream_of(&self, path: &str) -> Option<&'static str> {
        self.methods.get(path).copied()
    }

    /// All services, each with its upstream.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.services
            .iter()
            .map(|(name, upstream)| (name.as_str(), *upstream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_method_has_a_route_and_no_internal_one_has() {
        // The full set, so that leaving out the internal packages is this table's doing, too.
        let table = RouteTable::from_descriptors(datacovey_proto::DESCRIPTORS).unwrap();
        for (path, upstream) in [
            ("/datacovey.identity.v1.UserService/WhoAmI", Some("identity")),
            ("/datacovey.transfer.v1.ImportService/Upload", Some("transfer")),
            ("/datacovey.identity.v1.UserService/whoami", None),
            ("/datacovey.identity.v1.UserService", None),
        ] {
            assert_eq!(table.upstream_of(path), upstream, "{path}");
        }
        assert!(!table.methods.keys().any(|path| path.contains("internal")));

        let public = RouteTable::from_descriptors(datacovey_proto::PUBLIC_DESCRIPTORS).unwrap();
        assert_eq!(public.methods.len(), table.methods.len());
    }

    #[test]
    fn a_service_without_upstream_is_a_fault_of_the_build() {
        let set = FileDescriptorSet {
            file: vec![prost_types::FileDescriptorProto {
                package: Some("datacovey.weather.v1".to_owned()),
                service: vec![prost_types::ServiceDescriptorProto {
                    name: Some("ForecastService".to_owned()),
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        let error = RouteTable::from_descriptors(&set.encode_to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the service datacovey.weather.v1.ForecastService belongs to no upstream"
        );
    }
}
