//! Looks at the envelope of a picture before any decoder does: is it all there, and does it tell one story?
//!
//! Called by `picture`. Decoders are generous: a JPEG that was cut in the middle decodes to a picture with a grey
//! rest, and a WebP chunk may claim four gigabytes that are then allocated. Here both are refused by reading nothing but
//! markers and lengths; no pixel is decoded and nothing is allocated.

use crate::picture::{Format, PictureError};

/// Returns the bytes that belong to the picture, without what follows its end.
///
/// # Errors
/// [`PictureError::Truncated`] when the end is missing, [`PictureError::Contradictory`] when a part claims to be larger
/// than the whole.
pub(crate) fn check(format: Format, encoded: &[u8]) -> Result<&[u8], PictureError> {
    match format {
        Format::Jpeg => jpeg(encoded),
        // The PNG decoder stops by itself at the first missing byte, and takes no length at its word.
        Format::Png => Ok(encoded),
        Format::WebP => webp(encoded),
    }
}

/// Follows the segments of a JPEG to its end-of-image marker. Source: ITU-T T.81, B.1.
fn jpeg(encoded: &[u8]) -> Result<&[u8], PictureError> {
    let mut position = 0;
    loop {
        let rest = encoded.get(position..).ok_or(PictureError::Truncated)?;
        let offset = rest.windows(2).position(|pair| pair[0] == 0xFF && !is_part_of_scan(pair[1]));
        let marker = position + offset.ok_or(PictureError::Truncated)?;
        position = match encoded[marker + 1] {
            START_OF_IMAGE => marker + 2,
            END_OF_IMAGE => return Ok(&encoded[..marker + 2]),
            _ => match encoded.get(marker + 2..marker + 4) {
                Some(length) => marker + 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return Err(PictureError::Truncated),
            },
        };
    }
}

const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;

/// After 0xFF inside compressed data: a stuffed zero, a fill byte, a restart marker, a temporary marker.
fn is_part_of_scan(byte: u8) -> bool {
    matches!(byte, 0x00 | 0x01 | 0xD0..=0xD7 | 0xFF)
}

/// Walks the chunks of a WebP. Source: RFC 9649, sections 2.3 to 2.7.
fn webp(encoded: &[u8]) -> Result<&[u8], PictureError> {
    let riff = little_endian(encoded, 4, 4).ok_or(PictureError::Truncated)?;
    let whole = encoded.get(..riff.saturating_add(8)).ok_or(PictureError::Truncated)?;
    let mut canvas = None;
    for chunk in Chunks(whole.get(12..).ok_or(PictureError::Truncated)?) {
        let (name, content) = chunk?;
        match name {
            // The decoder believes the first one.
            b"VP8X" => canvas = canvas.or(sides(content, 4, 3).map(|(width, height)| (width + 1, height + 1))),
            b"VP8 " => fits(content, canvas)?,
            // One frame of an animation: 16 bytes of its own, then chunks again.
            b"ANMF" => {
                for chunk in Chunks(content.get(16..).ok_or(PictureError::Truncated)?) {
                    if let (b"VP8 ", content) = chunk? {
                        fits(content, canvas)?;
                    }
                }
            }
            // For a lossless frame the decoder allocates by the canvas, whatever the frame says.
            _ => {}
        }
    }
    Ok(whole)
}

/// Refuses a lossy frame larger than the canvas: its decoder allocates for the frame before it compares the two.
fn fits(frame: &[u8], canvas: Option<(usize, usize)>) -> Result<(), PictureError> {
    let (width, height) = sides(frame, 6, 2).ok_or(PictureError::Truncated)?;
    match canvas {
        // The two upper bits of either side are a scaling hint.
        Some(canvas) if (width & 0x3FFF) > canvas.0 || (height & 0x3FFF) > canvas.1 => Err(PictureError::Contradictory),
        Some(_) | None => Ok(()),
    }
}

/// The chunks of a RIFF file: a name of four bytes, a length, the content, and a byte of padding after odd lengths.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<(&'a [u8; 4], &'a [u8]), PictureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.first_chunk::<4>()?;
        let length = little_endian(self.0, 4, 4)?;
        let content = self.0[8..].get(..length);
        self.0 = content.map_or(&[], |_| self.0.get(8 + length + length % 2..).unwrap_or_default());
        Some(content.map(|content| (name, content)).ok_or(PictureError::Truncated))
    }
}

/// Two neighbouring numbers of `size` bytes each, from `at` on.
fn sides(bytes: &[u8], at: usize, size: usize) -> Option<(usize, usize)> {
    Some((little_endian(bytes, at, size)?, little_endian(bytes, at + size, size)?))
}

/// A little-endian number of `size` bytes, at most four, at `at`.
fn little_endian(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let digits = bytes.get(at..at + size)?;
    Some(digits.iter().rev().fold(0, |number, digit| number << 8 | usize::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let padding = vec![0; content.len() % 2];
        [&name[..], &length, content, &padding].concat()
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        chunk(b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
    }

    fn canvas(width: u8, height: u8) -> Vec<u8> {
        chunk(b"VP8X", &[0, 0, 0, 0, width - 1, 0, 0, height - 1, 0, 0])
    }

    fn lossy_frame(width: u16, height: u16) -> Vec<u8> {
        let [w, h] = [width.to_le_bytes(), height.to_le_bytes()];
        chunk(b"VP8 ", &[0, 0, 0, 0x9D, 0x01, 0x2A, w[0], w[1], h[0], h[1], 7])
    }

    fn animation_frame(content: &[u8]) -> Vec<u8> {
        chunk(b"ANMF", &[&[0; 16], content].concat())
    }

    #[test]
    fn a_jpeg_needs_its_end_marker_outside_of_every_segment() {
        // A thumbnail inside APP1 has an end marker of its own; stuffed bytes and restarts belong to the scan.
        let thumbnail = [0xFF, 0xE1, 0x00, 0x06, 0xFF, 0xD8, 0xFF, 0xD9];
        let scan = [0xFF, 0xDA, 0x00, 0x03, 0x01, 0x55, 0xFF, 0x00, 0x66, 0xFF, 0xD0, 0x77];
        let open = [&[0xFF, 0xD8][..], &thumbnail, &scan].concat();
        assert!(matches!(jpeg(&open), Err(PictureError::Truncated)));

        let closed = [&open[..], &[0xFF, 0xD9]].concat();
        assert_eq!(jpeg(&closed).unwrap(), closed);
        let followed = [&closed[..], b"anything"].concat();
        assert_eq!(jpeg(&followed).unwrap(), closed);
    }

    #[test]
    fn a_jpeg_cut_at_any_byte_is_truncated() {
        let whole =
            [&[0xFF, 0xD8, 0xFF, 0xE0, 0x00, 0x04, 1, 2][..], &[0xFF, 0xDA, 0x00, 0x02, 9, 0xFF, 0xD9]].concat();
        assert!(jpeg(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(matches!(jpeg(&whole[..length]), Err(PictureError::Truncated)), "{length} bytes");
        }
    }

    #[test]
    fn a_webp_cut_at_any_byte_is_truncated() {
        let whole = riff(&[canvas(8, 8), chunk(b"EXIF", &[1, 2, 3]), lossy_frame(8, 8)]);
        assert_eq!(webp(&whole).unwrap(), whole);
        for length in 0..whole.len() {
            assert!(matches!(webp(&whole[..length]), Err(PictureError::Truncated)), "{length} bytes");
        }
    }

    #[test]
    fn a_webp_chunk_may_not_claim_more_than_the_file_holds() {
        let mut exif = chunk(b"EXIF", &[1, 2, 3, 4]);
        exif[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(webp(&riff(&[canvas(8, 8), exif])), Err(PictureError::Truncated)));
    }

    #[test]
    fn a_lossy_webp_frame_may_not_be_larger_than_its_canvas() {
        for frame in [lossy_frame(8, 8), animation_frame(&lossy_frame(8, 8))] {
            assert!(webp(&riff(&[canvas(8, 8), frame])).is_ok());
        }
        for frame in [lossy_frame(9, 8), lossy_frame(8, 9), animation_frame(&lossy_frame(16_383, 16_383))] {
            assert!(matches!(webp(&riff(&[canvas(8, 8), frame])), Err(PictureError::Contradictory)));
        }
    }

    #[test]
    fn what_follows_the_riff_is_cut_off() {
        let whole = riff(&[lossy_frame(8, 8)]);
        let followed = [&whole[..], b"EXIF\xFF\xFF\xFF\xFF"].concat();
        assert_eq!(webp(&followed).unwrap(), whole);
    }
}
