//! [`Number`]: a setting with a fraction, such as a percentage or a rate.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A finite number. Equal to itself, unlike what a bare floating-point number promises, so objects that hold it can be
/// compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Number(f64);

// Never NaN: every way in goes through `new`.
impl Eq for Number {}

impl Number {
    /// Takes a number; `None` for infinities and what is no number. Negative zero becomes zero.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Number {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("must be a finite number")
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        number.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_get_in() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Number::new(bad), None);
        }
        assert_eq!(Number::new(-0.0).map(|zero| zero.get().is_sign_positive()), Some(true));
        assert_eq!(Number::new(12.5).map(|number| number.to_string()), Some("12.5".to_owned()));
        let json = serde_json::to_string(&Number::new(0.25)).expect("it is a number");
        assert_eq!((json.as_str(), serde_json::from_str(&json).ok()), ("0.25", Number::new(0.25)));
    }
}
