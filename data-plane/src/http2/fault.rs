//! [`Fault`]: why a connection ends.

use super::frames::code;
use super::hpack::Wrong;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What GOAWAY says.
    pub(crate) code: u32,
    /// What the metrics say.
    pub(crate) reason: &'static str,
}

impl Fault {
    pub(crate) const PROTOCOL: Self = Self { code: code::PROTOCOL_ERROR, reason: "h2_protocol_error" };
    pub(crate) const FRAME_SIZE: Self = Self { code: code::FRAME_SIZE_ERROR, reason: "h2_frame_size_error" };
    pub(crate) const FLOW_CONTROL: Self = Self { code: code::FLOW_CONTROL_ERROR, reason: "h2_flow_control_error" };
    pub(crate) const STREAM_CLOSED: Self = Self { code: code::STREAM_CLOSED, reason: "h2_stream_closed" };
    /// A block of fields that cannot be decompressed.
    pub(crate) const COMPRESSION: Self = Self { code: code::COMPRESSION_ERROR, reason: "h2_compression_error" };
    /// Much that stands for nothing: CONTINUATION, empty DATA, fields by reference.
    pub(crate) const CALM: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_enhance_your_calm" };
    /// Too much of what costs us work and says nothing.
    pub(crate) const FRAME_FLOOD: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_frame_flood" };
    /// Too many streams that were given up, or that were wrong.
    pub(crate) const RESET_FLOOD: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_reset_flood" };
    /// Nothing can be said to it: it does not read its connection.
    pub(crate) const STALLED: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_client_stalled" };
    /// A block of fields has begun and does not end.
    pub(crate) const SLOW_HEAD: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_slow_head" };
    /// Nothing was asked for too long, which is nobody's fault.
    pub(crate) const IDLE: Self = Self { code: code::NO_ERROR, reason: "h2_idle" };

    pub(super) fn unless(is_right: bool, fault: Self) -> Result<(), Self> {
        if is_right { Ok(()) } else { Err(fault) }
    }
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Block => Self::COMPRESSION,
            Wrong::Flood => Self::CALM,
        }
    }
}
