//! [`ViolationCell`]: what is wrong with what a connection's client sends, for those who answer it.

use super::violation::{FramingViolation, MessagePart};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The violation of a connection, if there is one, and whether the client has broken off: whoever reads the connection writes
/// it, whoever answers reads it.
///
/// There is at most one, because nothing is read behind it.
#[derive(Clone, Debug, Default)]
pub struct ViolationCell(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    violation: OnceLock<FramingViolation>,
    is_broken: AtomicBool,
}

impl ViolationCell {
    /// Whether reading or writing the connection has failed: the client broke off, or is out of reach.
    pub fn is_broken(&self) -> bool {
        self.0.is_broken.load(Ordering::Relaxed)
    }

    /// The violation, if it is in a body. To be asked only when reading the body of a request has failed: the request
    /// may then be answered with the violation instead of being called cut off.
    pub fn in_body(&self) -> Option<FramingViolation> {
        self.get().filter(|violation| violation.part == MessagePart::Body)
    }

    /// The violation, wherever it is. It may belong to a later request than the one at hand.
    pub fn get(&self) -> Option<FramingViolation> {
        self.0.violation.get().copied()
    }

    /// Notes the violation; the first one stays.
    pub(crate) fn note(&self, violation: FramingViolation) {
        let _ = self.0.violation.set(violation);
    }

    /// Notes that reading or writing the connection has failed.
    pub(crate) fn break_off(&self) {
        self.0.is_broken.store(true, Ordering::Relaxed);
    }
}
