//! Making a picture smaller. Every picture is scaled with four channels of 8 or 16 bits and turned back into its own kind
//! of pixel, which loses nothing: the scaling kernels are compiled for two kinds of pixel instead of thirteen, and they
//! were a fifth of the time that the whole workspace took to build.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8x4, U16x4};
use fast_image_resize::{PixelTrait, ResizeError, ResizeOptions, Resizer};
use image::{ColorType, DynamicImage, ImageBuffer, Rgba};

/// Why a picture could not be scaled.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// The kernel refused.
    #[error("resizing the picture")]
    Resize(#[source] ResizeError),
    /// A buffer has not the size that its picture says.
    #[error("the picture's pixels do not fill it")]
    Size,
}

/// The same picture with this width and height, in the same kind of pixel.
pub(crate) fn scale(picture: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, ScaleError> {
    let colour = picture.color();
    let deep = matches!(colour, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16);
    let scaled = if deep {
        let wide = picture.to_rgba16();
        let pixels: Vec<U16x4> = wide.pixels().map(|pixel| U16x4::new(pixel.0)).collect();
        let pixels = kernel(&pixels, wide.dimensions(), (width, height))?;
        let samples = pixels.iter().flat_map(|pixel| pixel.0).collect();
        ImageBuffer::<Rgba<u16>, _>::from_raw(width, height, samples).map(DynamicImage::ImageRgba16)
    } else {
        let wide = picture.to_rgba8();
        let pixels: Vec<U8x4> = wide.pixels().map(|pixel| U8x4::new(pixel.0)).collect();
        let pixels = kernel(&pixels, wide.dimensions(), (width, height))?;
        let samples = pixels.iter().flat_map(|pixel| pixel.0).collect();
        ImageBuffer::<Rgba<u8>, _>::from_raw(width, height, samples).map(DynamicImage::ImageRgba8)
    };
    let scaled = scaled.ok_or(ScaleError::Size)?;
    Ok(match colour {
        ColorType::L8 => scaled.into_luma8().into(),
        ColorType::La8 => scaled.into_luma_alpha8().into(),
        ColorType::Rgb8 => scaled.into_rgb8().into(),
        ColorType::L16 => scaled.into_luma16().into(),
        ColorType::La16 => scaled.into_luma_alpha16().into(),
        ColorType::Rgb16 => scaled.into_rgb16().into(),
        _ => scaled,
    })
}

/// A Lanczos3 convolution that weighs colours by their alpha, which is the library's default.
fn kernel<P>(pixels: &[P], from: (u32, u32), to: (u32, u32)) -> Result<Vec<P>, ScaleError>
where
    P: PixelTrait + InnerPixel,
{
    let source = TypedImageRef::new(from.0, from.1, pixels).map_err(|_| ScaleError::Size)?;
    let mut target = TypedImage::<P>::new(to.0, to.1);
    Resizer::new().resize_typed(&source, &mut target, &ResizeOptions::default()).map_err(ScaleError::Resize)?;
    Ok(target.pixels().to_vec())
}
