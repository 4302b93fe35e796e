//! [`ViolationCell`]: what is wrong with what a connection's client sends, for those who answer it.

use super::violation::{FramingViolation, MessagePart};
use std::cell::Cell;
use std::rc::Rc;

/// The violation of a connection, if there is one, and whether the client has broken off: whoever reads the connection writes
/// it, whoever answers reads it.
///
/// There is at most one, because nothing is read behind it.
#[derive(Clone, Debug, Default)]
pub struct ViolationCell(Rc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    violation: Cell<Option<FramingViolation>>,
    is_broken: Cell<bool>,
}

impl ViolationCell {
    /// Whether reading or writing the connection has failed: the client broke off, or is out of reach.
    pub fn is_broken(&self) -> bool {
        self.0.is_broken.get()
    }

    /// The violation, if it is in a body. To be asked only when reading the body of a request has failed: the request
    /// may then be answered with the violation instead of being called cut off.
    pub fn in_body(&self) -> Option<FramingViolation> {
        self.get().filter(|violation| violation.part == MessagePart::Body)
    }

    /// The violation, wherever it is. It may belong to a later request than the one at hand.
    pub fn get(&self) -> Option<FramingViolation> {
        self.0.violation.get()
    }

    /// Notes the violation; the first one stays.
    pub(crate) fn note(&self, violation: FramingViolation) {
        self.0.violation.set(self.get().or(Some(violation)));
    }

    /// Notes that reading or writing the connection has failed.
    pub(crate) fn break_off(&self) {
        self.0.is_broken.set(true);
    }
}
