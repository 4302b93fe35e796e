//! The APIs of the benches.

use penstock_model::bundle::Bundle;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage;
use penstock_model::integration::{Integration, IntegrationType};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;

/// How the paths of an API look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Literals only.
    Static,
    /// One parameter in the middle.
    Parameter,
    /// A greedy one at the end.
    Greedy,
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::Static, Self::Parameter, Self::Greedy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Parameter => "parameter",
            Self::Greedy => "greedy",
        }
    }

    /// The path of a resource. Ten routes have a parent in common, so that a tree has width and depth.
    fn resource(self, route: usize) -> String {
        let (parent, leaf) = (route / 10, route % 10);
        match self {
            Self::Static => format!("/collection{parent}/part{leaf}"),
            Self::Parameter => format!("/collection{parent}/{{id}}/part{leaf}"),
            Self::Greedy => format!("/collection{parent}/part{leaf}/{{proxy+}}"),
        }
    }

    /// A path that meets that route, or one that differs in its last literal and meets none.
    pub(crate) fn path(self, route: usize, hits: bool) -> String {
        let (parent, leaf) = (route / 10, route % 10);
        let part = if hits { format!("part{leaf}") } else { format!("other{leaf}") };
        match self {
            Self::Static => format!("/collection{parent}/{part}"),
            Self::Parameter => format!("/collection{parent}/id{route}/{part}"),
            Self::Greedy => format!("/collection{parent}/{part}/a/b/c{route}"),
        }
    }
}

/// An API of so many routes, each with an `HTTP_PROXY` to a path of its own.
pub(crate) fn bundle(name: &str, shape: Shape, routes: usize) -> Bundle {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = name.into();
    for route in 0..routes {
        let id = format!("r{route}");
        definition.resources.push(Resource {
            id: id.as_str().into(),
            path: shape.resource(route),
            ..Resource::default()
        });
        let parameter = match shape {
            Shape::Static => None,
            Shape::Parameter => Some("id"),
            Shape::Greedy => Some("proxy"),
        };
        let uri = match parameter {
            None => format!("http://${{stageVariables.host}}/items/{route}"),
            Some(name) => format!("http://${{stageVariables.host}}/items/{route}/{{{name}}}"),
        };
        let mut integration = Integration::new(IntegrationType::HttpProxy, Some(Verb::Any), uri.as_str());
        if let Some(name) = parameter {
            let (to, from) = (format!("integration.request.path.{name}"), format!("method.request.path.{name}"));
            integration.request_parameters.insert(to, from);
        }
        let mut method = Method::new(definition.rest_api.id.clone(), id.into(), Verb::Any);
        method.integration = Some(integration);
        definition.methods.push(method);
    }
    let variables = [("host".to_owned(), "127.0.0.1:9000".to_owned())].into();
    Bundle::new(definition, Stage { stage_name: "prod".into(), variables, ..Stage::default() })
}

/// Numbers below `below` in an order that no cache knows in advance, the same each time.
pub(crate) fn mixed(count: usize, below: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap_or(0) % below
    })
    .take(count)
}
