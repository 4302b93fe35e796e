//! The work itself: encoded picture in, smaller encoded picture out. Pure and blocking.
//!
//! Called by `upload` on a thread that may be kept busy, and by other programs. It knows nothing of HTTP and never looks at a file name or a
//! `Content-Type`: the bytes say what they are.

use std::fmt;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::error::{ImageError, ImageResult};
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits};

use crate::container;
use crate::limits::{DECODED_BYTES_MAX, JPEG_QUALITY, METADATA_BYTES_MAX, PIXELS_MAX, SIDE_PIXELS_MAX};
use crate::scale::{ScaleError, scale};

/// What the resizer reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ITU-T T.81.
    Jpeg,
    /// ISO/IEC 15948.
    Png,
    /// RFC 9649, written without loss.
    WebP,
}

/// Width and height in pixels, as a viewer sees the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// How small the answer shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Half the width and half the height.
    Half,
    /// This width in pixels, or the original one if that is less; the height follows.
    Width(u32),
}

/// The answer to a picture.
#[derive(Debug)]
pub struct Shrunk {
    /// The format of the original, and of the answer.
    pub format: Format,
    /// The smaller picture.
    pub encoded: Vec<u8>,
    /// The size before.
    pub original: Dimensions,
    /// The size after.
    pub resized: Dimensions,
}

/// Why a picture was not made smaller. The first six are about the bytes that came in, the last two about us.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The bytes do not begin like a JPEG, PNG or WebP.
    #[error("recognising the format")]
    UnknownFormat,
    /// The end of the picture is missing.
    #[error("looking for the end of the picture")]
    Truncated,
    /// A part claims to be larger than the whole.
    #[error("comparing the parts of the picture")]
    Contradictory,
    /// More pixels than are decoded.
    #[error("checking a size of {0}")]
    TooManyPixels(Dimensions),
    /// A side that is too long, or too much memory.
    #[error("decoding within limits")]
    BeyondLimits(#[source] ImageError),
    /// The decoder found it damaged, or of a kind that it does not know.
    #[error("decoding")]
    Undecodable(#[source] ImageError),
    /// Scaling failed.
    #[error("resizing")]
    Resize(#[source] ScaleError),
    /// Encoding failed.
    #[error("encoding")]
    Encode(#[source] ImageError),
}

/// Decodes, turns upright, resizes and encodes again in the same format.
///
/// # Errors
/// See [`PictureError`]; on refused input nothing larger than the input has been allocated, unless the picture is within
/// all limits and breaks in the middle.
pub fn shrink(encoded: &[u8], wish: Wish) -> Result<Shrunk, PictureError> {
    let format = Format::of(encoded).ok_or(PictureError::UnknownFormat)?;
    let whole = container::check(format, encoded)?;
    let Decoded { picture, colour_profile } = decode(format, whole)?;
    let original = Dimensions::of(&picture);
    let resized = wish.applied_to(original);
    let small = resize(picture, resized)?;
    let encoded = encode(format, &small, colour_profile).map_err(PictureError::Encode)?;
    Ok(Shrunk { format, encoded, original, resized })
}

struct Decoded {
    picture: DynamicImage,
    /// Fits the pixels as decoded; without it colours of wide-gamut photos would change.
    colour_profile: Option<Vec<u8>>,
}

fn decode(format: Format, encoded: &[u8]) -> Result<Decoded, PictureError> {
    let mut reader = ImageReader::with_format(Cursor::new(encoded), format.into());
    // What is set here bounds the metadata; the pixels get their own bound once the header has told their number.
    reader.limits(limits(METADATA_BYTES_MAX));
    let mut decoder = reader.into_decoder().map_err(refused)?;

    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(PictureError::TooManyPixels(Dimensions { width, height }));
    }
    let mut for_pixels = limits(DECODED_BYTES_MAX);
    for_pixels.reserve(decoder.total_bytes()).map_err(refused)?;
    decoder.set_limits(for_pixels).map_err(refused)?;

    let orientation = decoder.orientation().map_err(refused)?;
    let colour_profile = decoder.icc_profile().map_err(refused)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    // The answer carries no EXIF, so the pixels have to stand upright by themselves.
    picture.apply_orientation(orientation);
    let colour_profile = colour_profile.filter(|profile| describes(profile, &picture));
    Ok(Decoded { picture, colour_profile })
}

fn limits(bytes_max: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_PIXELS_MAX);
    limits.max_image_height = Some(SIDE_PIXELS_MAX);
    limits.max_alloc = Some(bytes_max);
    limits
}

fn refused(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::BeyondLimits(error),
        ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)
        | ImageError::Unsupported(_)
        | ImageError::IoError(_) => PictureError::Undecodable(error),
    }
}

/// Whether a colour profile speaks of the channels that the picture has now: a CMYK photo is decoded to RGB, and its
/// profile would turn that into nonsense. Source: ICC.1, 7.2.6, the colour space field of the header.
fn describes(profile: &[u8], picture: &DynamicImage) -> bool {
    let expected = if picture.color().has_color() { b"RGB " } else { b"GRAY" };
    profile.get(16..20).is_some_and(|space| space == expected) && profile.len() as u64 <= METADATA_BYTES_MAX
}

fn resize(picture: DynamicImage, to: Dimensions) -> Result<DynamicImage, PictureError> {
    if Dimensions::of(&picture) == to {
        return Ok(picture);
    }
    scale(&picture, to.width, to.height).map_err(PictureError::Resize)
}

fn encode(format: Format, picture: &DynamicImage, colour_profile: Option<Vec<u8>>) -> ImageResult<Vec<u8>> {
    let mut encoded = Vec::new();
    match format {
        Format::Jpeg => write(picture, colour_profile, JpegEncoder::new_with_quality(&mut encoded, JPEG_QUALITY))?,
        Format::Png => write(picture, colour_profile, PngEncoder::new(&mut encoded))?,
        Format::WebP => write(picture, colour_profile, WebPEncoder::new_lossless(&mut encoded))?,
    }
    Ok(encoded)
}

fn write(picture: &DynamicImage, colour_profile: Option<Vec<u8>>, mut encoder: impl ImageEncoder) -> ImageResult<()> {
    if let Some(profile) = colour_profile {
        encoder.set_icc_profile(profile).map_err(ImageError::Unsupported)?;
    }
    picture.write_with_encoder(encoder)
}

impl Format {
    fn of(encoded: &[u8]) -> Option<Self> {
        match image::guess_format(encoded).ok()? {
            ImageFormat::Jpeg => Some(Self::Jpeg),
            ImageFormat::Png => Some(Self::Png),
            ImageFormat::WebP => Some(Self::WebP),
            _ => None,
        }
    }

    /// The value of `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

impl From<Format> for ImageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Jpeg => Self::Jpeg,
            Format::Png => Self::Png,
            Format::WebP => Self::WebP,
        }
    }
}

impl Dimensions {
    fn of(picture: &DynamicImage) -> Self {
        Self { width: picture.width(), height: picture.height() }
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Wish {
    /// Rounds down, so that half of 1600x1067 and a width of 800 agree; no side becomes nothing.
    fn applied_to(self, original: Dimensions) -> Dimensions {
        let width = match self {
            Self::Half => original.width / 2,
            Self::Width(width) => width.min(original.width),
        }
        .max(1);
        let height = match self {
            Self::Half => original.height / 2,
            Self::Width(_) => scaled(original.height, width, original.width),
        }
        .max(1);
        Dimensions { width, height }
    }
}

/// `length * part / whole`, for a part that is not more than the whole.
fn scaled(length: u32, part: u32, whole: u32) -> u32 {
    let scaled = u64::from(length) * u64::from(part) / u64::from(whole.max(1));
    u32::try_from(scaled).expect("a part of a length is not more than the length")
}

#[cfg(test)]
mod tests;
