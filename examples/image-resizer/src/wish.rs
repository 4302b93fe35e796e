//! What a request wishes: reads and checks a width.
//!
//! Called by `upload` with the query of its request, and by other programs. It knows nothing of the picture.

use crate::limits::WIDTH_PIXELS_MAX;
use crate::picture::Wish;
use crate::refusal::Refusal;

impl Wish {
    /// Reads `width` from a query string; other parameters mean nothing here.
    ///
    /// # Errors
    /// [`Refusal::Width`] when it is there twice, or is none.
    pub fn from_query(query: Option<&str>) -> Result<Self, Refusal> {
        let pairs = query.unwrap_or_default().split('&');
        let mut widths =
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).filter(|(name, _)| *name == "width");
        let Some((_, digits)) = widths.next() else {
            return Ok(Self::Half);
        };
        // `parse` alone would take a plus sign too.
        if widths.next().is_some() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Width);
        }
        digits.parse().map_or(Err(Refusal::Width), Self::from_width)
    }

    /// Takes a width in pixels.
    ///
    /// # Errors
    /// [`Refusal::Width`] when it is 0 or larger than any that is answered.
    pub fn from_width(pixels: u64) -> Result<Self, Refusal> {
        match u32::try_from(pixels) {
            Ok(width @ 1..=WIDTH_PIXELS_MAX) => Ok(Self::Width(width)),
            Ok(_) | Err(_) => Err(Refusal::Width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_width_the_picture_is_halved() {
        for query in [None, Some(""), Some("height=3"), Some("widths=3&x")] {
            assert!(matches!(Wish::from_query(query), Ok(Wish::Half)), "{query:?}");
        }
    }

    #[test]
    fn the_width_is_taken_at_both_ends_of_its_range() {
        assert!(matches!(Wish::from_query(Some("width=1")), Ok(Wish::Width(1))));
        assert!(matches!(Wish::from_query(Some("a=b&width=8192&c")), Ok(Wish::Width(8192))));
    }

    #[test]
    fn any_other_width_is_refused() {
        let queries = ["width=0", "width=8193", "width=", "width", "width=+5", "width=-5", "width=1e3", "width=5%30"];
        for query in queries.into_iter().chain(["width=5&width=5", "width=99999999999999999999", "width=5px"]) {
            assert!(matches!(Wish::from_query(Some(query)), Err(Refusal::Width)), "{query}");
        }
    }
}
