//! Every bound of the model, with its unit. The specification's own quotas (section j) are marked; where a team's own
//! machines can do more than a shared service, ours are wider.

/// Longest name of an API, in characters.
pub const NAME_CHARS_MAX: usize = 1024;
/// Longest description of anything, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1024;
/// Most binary media types of an API.
pub const BINARY_MEDIA_TYPES_MAX: usize = 256;
/// Most tags of an object.
pub const TAGS_MAX: usize = 50;
/// Longest key of a tag, in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Longest value of a tag, in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Most resources of one API. The specification's quota is 300 (section j).
pub const RESOURCES_PER_API_MAX: usize = 10_000;
/// Longest path part, in bytes.
pub const PATH_PART_BYTES_MAX: usize = 512;
/// Deepest resource, in segments.
pub const PATH_DEPTH_MAX: usize = 64;
/// Most stage variables (section j).
pub const STAGE_VARIABLES_MAX: usize = 100;
/// Longest name of a stage variable, in characters (section j).
pub const STAGE_VARIABLE_NAME_CHARS_MAX: usize = 64;
/// Longest value of a stage variable, in characters (section j).
pub const STAGE_VARIABLE_VALUE_CHARS_MAX: usize = 512;
/// Longest stage name, in characters (section h.1).
pub const STAGE_NAME_CHARS_MAX: usize = 128;
/// Longest integration URI, in bytes.
pub const URI_BYTES_MAX: usize = 10_240;
/// Most parameter mappings of an integration or response.
pub const PARAMETERS_MAX: usize = 200;
/// Shortest integration timeout, in milliseconds (section j).
pub const TIMEOUT_MS_MIN: u32 = 50;
/// Integration timeout when none is set, in milliseconds (section e.1).
pub const TIMEOUT_MS_DEFAULT: u32 = 29_000;
/// Longest integration timeout, in milliseconds. The specification stops at 29,000; streamed responses may take 900,000
/// (section k), and on a team's own machines nothing is gained by a lower bound for the others.
pub const TIMEOUT_MS_MAX: u32 = 900_000;
/// Largest template, in bytes (section j).
pub const TEMPLATE_BYTES_MAX: usize = 300 * 1024;
/// Largest document for import, in bytes (section j).
pub const DOCUMENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Largest JSON fragment, in bytes.
pub const FRAGMENT_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of a document.
pub const DOCUMENT_DEPTH_MAX: usize = 100;
/// Most text that a document may stand for once its aliases or references are written out, in bytes: a few kilobytes
/// of references can stand for gigabytes.
pub const DOCUMENT_EXPANDED_BYTES_MAX: usize = 8 * DOCUMENT_BYTES_MAX;
/// Most references that lead from one to the next in a document.
pub const REFERENCE_HOPS_MAX: usize = 8;
/// Most violations reported for one request; the rest is counted, not listed.
pub const VIOLATIONS_MAX: usize = 100;
/// Largest value of `minimumCompressionSize`, in bytes (section j).
pub const COMPRESSION_SIZE_BYTES_MAX: u32 = 10_485_760;
/// Most domains' base path segments.
pub const BASE_PATH_DEPTH_MAX: usize = 16;
/// Largest encoded bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most steps of one route lookup. A tree of resources can be built in which fall-through visits every branch; a lookup
/// that needs more steps than this answers "no such route".
pub const LOOKUP_STEPS_MAX: u32 = 4_096;

const _: () = assert!(TIMEOUT_MS_MIN < TIMEOUT_MS_DEFAULT && TIMEOUT_MS_DEFAULT <= TIMEOUT_MS_MAX);
const _: () = assert!(DOCUMENT_BYTES_MAX < DOCUMENT_EXPANDED_BYTES_MAX);
const _: () = assert!(FRAGMENT_BYTES_MAX <= DOCUMENT_BYTES_MAX);
