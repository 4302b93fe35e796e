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
/// Most entries of a stage's method settings.
pub const METHOD_SETTINGS_MAX: usize = 1_000;
/// Longest time that a method's cache may keep an answer, in seconds (section h.4).
pub const CACHE_TTL_S_MAX: i32 = 3_600;
/// Longest stage name, in characters (section h.1).
pub const STAGE_NAME_CHARS_MAX: usize = 128;
/// Longest integration URI, in bytes.
pub const URI_BYTES_MAX: usize = 10_240;
/// Longest name that stands for a function in the path of its call, in characters.
pub const LAMBDA_FUNCTION_NAME_CHARS_MAX: usize = 256;
/// Most parameter mappings of an integration or response.
pub const PARAMETERS_MAX: usize = 200;
/// Longest value that a mapping gives to a header, in bytes: what a hosted gateway takes as headers in all (section j).
/// A body may be a source, and a body may be large.
pub const MAPPED_HEADER_BYTES_MAX: usize = 10_240;
/// Shortest integration timeout, in milliseconds (section j).
pub const TIMEOUT_MS_MIN: u32 = 50;
/// Integration timeout when none is set, in milliseconds (section e.1).
pub const TIMEOUT_MS_DEFAULT: u32 = 29_000;
/// Longest integration timeout, in milliseconds. The specification stops at 29,000; streamed responses may take 900,000
/// (section k), and on a team's own machines nothing is gained by a lower bound for the others.
pub const TIMEOUT_MS_MAX: u32 = 900_000;
/// Largest body of a customised gateway response, in bytes. Where rendering gives more, the default body is sent.
pub const GATEWAY_RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// Most header lines that a function's answer may have.
pub const FUNCTION_HEADERS_MAX: usize = 256;
/// Most bytes in the names and values of these. A hosted gateway takes 10,240 (section j).
pub const FUNCTION_HEADER_BYTES_MAX: usize = 64 * 1024;
/// Where the body of a streamed answer must have begun, in bytes (section k).
pub const FUNCTION_PRELUDE_BYTES_MAX: usize = 16 * 1024;
/// Largest template, in bytes (section j).
pub const TEMPLATE_BYTES_MAX: usize = 300 * 1024;
/// Longest selection pattern of an integration response, in bytes.
pub const SELECTION_PATTERN_BYTES_MAX: usize = 1024;
/// Largest compiled part of a selection pattern, in bytes.
pub const SELECTION_COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Largest cache of a matching selection pattern, in bytes.
pub const SELECTION_CACHE_BYTES_MAX: usize = 256 * 1024;
/// Most steps back while a selection pattern is matched that cannot be matched in linear time.
pub const SELECTION_BACKTRACKS_MAX: usize = 100_000;
/// Largest request of a `MOCK` integration that is searched for its status code, in bytes: what a template may render.
pub const MOCK_REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting in such a request.
pub const MOCK_DEPTH_MAX: usize = 64;
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
/// Content codings that one message may have, one inside the other. Two because one within another happens by accident;
/// more is an attack.
pub const CONTENT_CODINGS_MAX: usize = 2;
/// Most candidates that the explanation of a lookup lists; the rest is counted, not listed.
pub const EXPLAINED_CANDIDATES_MAX: usize = 64;
/// Most lookups of a search for routes that no request can meet. Each takes about as long as that of a request.
pub const REACH_LOOKUPS_MAX: u32 = 1_000_000;
/// Largest encoded bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most steps of one route lookup. A tree of resources can be built in which fall-through visits every branch; a lookup
/// that needs more steps than this answers "no such route".
pub const LOOKUP_STEPS_MAX: u32 = 4_096;
/// Longest JSON path, in bytes.
pub const JSON_PATH_BYTES_MAX: usize = 4 * 1024;
/// Most segments of a JSON path. The JSON reader goes 128 levels deep.
pub const JSON_PATH_SEGMENTS_MAX: usize = 64;
/// Deepest nesting of filters and groups in a JSON path.
pub const JSON_PATH_FILTER_DEPTH_MAX: usize = 8;
/// Largest compiled regular expression of a JSON path, in bytes.
pub const JSON_PATH_PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Largest part of a body that a JSON path searches in memory, in bytes. Names and indexes at a path's beginning need no
/// memory and have no such bound.
pub const JSON_PATH_DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Most steps of one search, each one value visited or one filter asked.
pub const JSON_PATH_STEPS_MAX: u32 = 1_000_000;

const _: () = assert!(JSON_PATH_SEGMENTS_MAX < 128);
const _: () = assert!(TIMEOUT_MS_MIN < TIMEOUT_MS_DEFAULT && TIMEOUT_MS_DEFAULT <= TIMEOUT_MS_MAX);
const _: () = assert!(DOCUMENT_BYTES_MAX < DOCUMENT_EXPANDED_BYTES_MAX);
const _: () = assert!(FRAGMENT_BYTES_MAX <= DOCUMENT_BYTES_MAX);
