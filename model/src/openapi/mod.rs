//! Documents in and out: Swagger 2.0 and OpenAPI 3.0 with the `x-amazon-apigateway-*` extensions (section i), and with
//! `x-penstock-*` ones for what those have no word for.
//!
//! The control plane's import, put and export call [`import()`], [`merge()`] and [`export()`]. Everything is a walk over
//! plain values: typed readers of such documents drop or change what they do not know.
//!
//! | file | subject |
//! |---|---|
//! | `document` | bytes to values |
//! | `report`, `fields`, `refs` | places, typed access, `$ref` |
//! | `import`, `paths`, `base_path`, `operation`, `parameters`, `security`, `integration`, `extensions` | values to a definition |
//! | `gateway_responses`, `lambda_endpoint` | one extension each, in both directions |
//! | `locate` | a definition's field paths back to places |
//! | `merge` | a document over an API that exists |
//! | `export`, `export_operation` | a definition to values and bytes |
//!
//! Deliberately absent: models (schemas are named, not kept), authorizers, policies, validators. A document that has
//! them is imported with a warning at each.

mod base_path;
mod document;
mod export;
mod export_operation;
mod extensions;
mod fields;
mod gateway_responses;
mod import;
mod integration;
mod lambda_endpoint;
mod locate;
mod merge;
mod operation;
mod parameters;
mod paths;
mod refs;
mod report;
mod security;

pub use export::{Encoding, ExportOptions, Exported, Format, export};
pub use import::{BasePathMode, ImportOptions, Imported, import};
pub use merge::{PutMode, merge};

pub(crate) use document::{kind, read_json};
pub(crate) use fields::text_list;
pub(crate) use integration::{Dialect, fragment_key, read as read_integration};
pub(crate) use report::{Place, Report, shown};
