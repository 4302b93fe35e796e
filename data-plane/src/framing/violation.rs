//! What can be wrong with the framing of a request, and what the client and the log are told about it.
//!
//! The grammar makes these, the service answers them. The texts never repeat a byte that the client sent.

use std::fmt;

/// Writes the enum, the list of its values and their texts from one table, so that a rule cannot be half described.
macro_rules! framing_rules {
    ($($name:ident => $status:literal, $reason:literal, $sentence:literal;)+) => {
        /// A rule of message framing that a request has broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FramingRule {
            $(#[doc = concat!("`", $reason, "`, ", $status, ": ", $sentence, ".")] $name,)+
        }

        impl FramingRule {
            /// Every rule, in the order of the grammar.
            pub const ALL: &[FramingRule] = &[$(FramingRule::$name),+];

            /// The status that answers the request.
            pub const fn status(self) -> u16 {
                match self { $(FramingRule::$name => $status),+ }
            }

            /// A stable short word for logs and metrics.
            pub const fn reason(self) -> &'static str {
                match self { $(FramingRule::$name => $reason),+ }
            }

            /// What is wrong, for the client: one sentence without its full stop.
            pub const fn sentence(self) -> &'static str {
                match self { $(FramingRule::$name => $sentence),+ }
            }
        }
    };
}

framing_rules! {
    BareCr => 400, "bare_cr", "a carriage return is not followed by a line feed";
    BareLf => 400, "bare_lf", "a line ends with a line feed alone, without a carriage return";
    LeadingLines => 400, "leading_lines", "too many empty lines precede the request line";
    RequestLine => 400, "request_line", "the request line is not a method, a target and a version with one space between them";
    MethodByte => 400, "method_byte", "the method holds a byte that no method may hold";
    MethodTooLong => 501, "method_too_long", "the method is longer than any known method";
    TargetByte => 400, "target_byte", "the request target holds a byte that must be percent-encoded";
    TargetForm => 400, "target_form", "the request target is neither a path nor a complete http or https address";
    TargetAuthority => 400, "target_authority", "the host of the request target is malformed";
    TargetTooLong => 414, "target_too_long", "the request target is too long";
    ConnectUnsupported => 501, "connect_unsupported", "tunnels (CONNECT) are not supported";
    VersionMalformed => 400, "version_malformed", "the protocol version is malformed";
    VersionUnsupported => 505, "version_unsupported", "the protocol version is neither HTTP/1.1 nor HTTP/1.0";
    HeadTooLarge => 431, "head_too_large", "the request head is too large";
    HeadTruncated => 400, "head_truncated", "the connection ended inside a request head";
    TooManyHeaders => 431, "too_many_headers", "the request head has too many header lines";
    FoldedLine => 400, "folded_line", "a header line begins with white space (line folding is not supported)";
    SpaceInName => 400, "space_in_name", "a header name holds white space or is followed by it";
    HeaderName => 400, "header_name", "a header line does not begin with a valid name and a colon";
    HeaderValue => 400, "header_value", "a header value holds a control character";
    DisguisedName => 400, "disguised_name", "a header imitates Content-Length or Transfer-Encoding with underscores";
    ContentLengthInvalid => 400, "content_length_invalid", "Content-Length is not one plain decimal number";
    ContentLengthTooLarge => 400, "content_length_too_large", "Content-Length is greater than 9223372036854775807";
    ContentLengthRepeated => 400, "content_length_repeated", "Content-Length appears more than once";
    TransferEncodingInvalid => 400, "transfer_encoding_invalid", "Transfer-Encoding does not end with exactly one plain chunked";
    TransferEncodingUnsupported => 501, "transfer_encoding_unsupported", "Transfer-Encoding names a coding other than chunked";
    TransferEncodingRepeated => 400, "transfer_encoding_repeated", "Transfer-Encoding appears more than once";
    TransferEncodingVersion => 400, "transfer_encoding_version", "Transfer-Encoding does not exist in HTTP/1.0";
    LengthConflict => 400, "length_conflict", "Content-Length and Transfer-Encoding are both present";
    HostMissing => 400, "host_missing", "the Host header is missing";
    HostRepeated => 400, "host_repeated", "the Host header appears more than once";
    HostInvalid => 400, "host_invalid", "the Host header is not a host with an optional port";
    HostConflict => 400, "host_conflict", "the Host header names another host than the request target";
    ChunkSize => 400, "chunk_size", "a chunk does not begin with a plain hexadecimal size";
    ChunkSizeTooLarge => 400, "chunk_size_too_large", "a chunk size has more than 16 digits or is greater than 7fffffffffffffff";
    ChunkExtension => 400, "chunk_extension", "a chunk extension holds a control character";
    ChunkExtensionsTooLong => 400, "chunk_extensions_too_long", "the chunk extensions of the body are too long";
    ChunkEnd => 400, "chunk_end", "the data of a chunk is not followed by the end of a line";
    TrailersTooLarge => 431, "trailers_too_large", "the trailer section is too large";
    TooManyTrailers => 431, "too_many_trailers", "the trailer section has too many lines";
    TrailerForbidden => 400, "trailer_forbidden", "the trailer section holds a header that decides framing or routing";
}

/// Which part of a request broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessagePart {
    /// The request line or the header section.
    Head,
    /// The chunked body, its trailer section included.
    Body,
}

/// One broken rule and where it was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FramingViolation {
    /// The broken rule.
    pub rule: FramingRule,
    /// The part of the request that broke it.
    pub part: MessagePart,
    /// Bytes of that part that precede the fault. In a head it is the byte at fault or the beginning of the element
    /// at fault, in a body always the first byte that cannot belong to a good one.
    pub offset: u64,
}

impl FramingViolation {
    pub(crate) fn head(rule: FramingRule, offset: usize) -> Self {
        Self { rule, part: MessagePart::Head, offset: offset as u64 }
    }

    pub(crate) fn body(rule: FramingRule, offset: u64) -> Self {
        Self { rule, part: MessagePart::Body, offset }
    }

    /// The status that answers the request.
    pub const fn status(self) -> u16 {
        self.rule.status()
    }

    /// A stable short word for logs and metrics.
    pub const fn reason(self) -> &'static str {
        self.rule.reason()
    }
}

impl fmt::Display for FramingViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            MessagePart::Head => "head",
            MessagePart::Body => "body",
        };
        write!(f, "{} (byte {} of the request {part})", self.rule.sentence(), self.offset)
    }
}

impl std::error::Error for FramingViolation {}
