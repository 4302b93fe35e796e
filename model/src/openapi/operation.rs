//! One operation of a document to a [`Method`].

use super::extensions::warn_unused;
use super::fields::{Fields, as_written};
use super::import::{Context, Flavour};
use super::integration::{Dialect, read as read_integration};
use super::lambda_endpoint;
use super::locate::OperationOrigin;
use super::parameters::{read_parameters, read_request_body, read_responses};
use super::refs::Found;
use super::report::Place;
use crate::id::{ResourceId, RestApiId};
use crate::method::{Method, Verb};
use serde_json::{Map, Value};

/// An operation and the path item that it belongs to.
pub(super) struct Operation<'d, 'p> {
    pub(super) object: &'d Map<String, Value>,
    pub(super) place: Place<'p>,
    pub(super) path_item: &'d Map<String, Value>,
    pub(super) path_place: Place<'p>,
}

/// Reads an operation as the method `verb` of a resource.
pub(super) fn read<'d>(
    context: &mut Context<'d>,
    operation: &Operation<'d, '_>,
    verb: Verb,
    rest_api_id: RestApiId,
    resource_id: ResourceId,
) -> (Method, OperationOrigin) {
    let Operation { object, place, path_item, path_place } = operation;
    let mut method = Method::new(rest_api_id, resource_id, verb);
    let mut origin = OperationOrigin { operation: place.to_string(), ..OperationOrigin::default() };
    warn_unused(object, place, &["integration", "auth", lambda_endpoint::KEY], &mut context.report);
    if object.get("isDefaultRoute") == Some(&Value::Bool(true)) {
        let text = "a default route is not supported: the path is taken as it is written, use /{proxy+} instead";
        context.report.warning(place.key("isDefaultRoute"), text);
    }

    let mut fields = Fields::new(object, place, as_written, &mut context.report);
    method.operation_name = fields.text("operationId", &mut context.report).unwrap_or_default();

    let lists = [(path_item, path_place), (object, place)];
    for (holder, place) in lists {
        read_parameters(context, holder.get("parameters"), &place.key("parameters"), object, &mut method);
    }
    if context.flavour == Flavour::OpenApi3 {
        read_request_body(context, object, place, &mut method);
    }
    read_responses(context, object, place, &mut method);

    let authorization = context.schemes.of_operation(object, place, &mut context.report);
    method.authorization_type = authorization.kind;
    method.authorizer_id = authorization.authorizer_id;
    method.authorization_scopes = authorization.scopes;
    method.api_key_required = authorization.api_key_required;

    integration(context, operation, &mut method, &mut origin);
    endpoint(context, operation, &mut method, &mut origin);
    (method, origin)
}

const INTEGRATION: &str = "x-amazon-apigateway-integration";

fn integration<'d>(
    context: &mut Context<'d>,
    operation: &Operation<'d, '_>,
    method: &mut Method,
    origin: &mut OperationOrigin,
) {
    let here = operation.place.key(INTEGRATION);
    let Some(value) = operation.object.get(INTEGRATION).filter(|value| !value.is_null()) else {
        let text = format!("has no {INTEGRATION}: the method is made without one and cannot be deployed like that");
        context.report.warning(operation.place, text);
        return;
    };
    let Some(found) = resolved(context, value, &here) else { return };
    let place = found.place(&here);
    origin.integration = place.to_string();
    if let Some(read) = read_integration(found.object, &place, Dialect::Document, &mut context.report) {
        method.integration = Some(read.integration);
        origin.response_keys = read.response_keys;
    }
}

/// The object that `value` is or refers to; that there is none is reported.
fn resolved<'d>(context: &mut Context<'d>, value: &'d Value, here: &Place<'_>) -> Option<Found<'d>> {
    let found = context.refs.resolve(value);
    found.map_err(|message| context.report.violation(here, message)).ok()
}

/// Where the function of the integration is invoked, which stands beside it.
fn endpoint<'d>(
    context: &mut Context<'d>,
    operation: &Operation<'d, '_>,
    method: &mut Method,
    origin: &mut OperationOrigin,
) {
    let here = operation.place.key(lambda_endpoint::KEY);
    let Some(value) = operation.object.get(lambda_endpoint::KEY).filter(|value| !value.is_null()) else { return };
    let Some(found) = resolved(context, value, &here) else { return };
    let place = found.place(&here);
    let read = lambda_endpoint::read(found.object, &place, as_written, &mut context.report);
    origin.lambda_endpoint = place.to_string();
    match &mut method.integration {
        Some(integration) => integration.lambda_endpoint = Some(read),
        // One that is there and could not be read has been reported.
        None if operation.object.get(INTEGRATION).is_some_and(|value| !value.is_null()) => {}
        None => context.report.warning(here, "ignored: no integration stands beside it"),
    }
}
