//! Pictures are made here, never read from files, so that each test says what is in them.

use image::metadata::Orientation;
use image::{ColorType, GenericImageView, ImageBuffer, Rgb, RgbImage};

use super::*;

/// Red, green, blue and white quarters, clockwise from the top left: every turn and every mirror shows.
fn quarters(width: u32, height: u32) -> DynamicImage {
    let colour = |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => RED,
        (false, true) => GREEN,
        (false, false) => BLUE,
        (true, false) => WHITE,
    };
    RgbImage::from_fn(width, height, |x, y| Rgb(colour(x, y))).into()
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255, 255, 255];

fn encoded(format: Format, picture: &DynamicImage) -> Vec<u8> {
    encode(format, picture, None).unwrap()
}

/// Decodes an answer and checks that it is in the format, and of the size, that it claims.
fn decoded(shrunk: &Shrunk) -> DynamicImage {
    assert_eq!(Format::of(&shrunk.encoded), Some(shrunk.format));
    let picture = image::load_from_memory(&shrunk.encoded).unwrap();
    assert_eq!(Dimensions::of(&picture), shrunk.resized);
    picture
}

/// The colours in the middle of the four quarters, clockwise from the top left, without the noise of a JPEG.
fn corners(picture: &DynamicImage) -> [[u8; 3]; 4] {
    let (width, height) = picture.dimensions();
    let at = |x: u32, y: u32| {
        let pixel = picture.get_pixel(width * x / 4, height * y / 4).0;
        [pixel[0], pixel[1], pixel[2]].map(|channel| if channel < 128 { 0 } else { 255 })
    };
    [at(1, 1), at(3, 1), at(3, 3), at(1, 3)]
}

fn dimensions(width: u32, height: u32) -> Dimensions {
    Dimensions { width, height }
}

/// A TIFF block that says nothing but the orientation. Source: EXIF 2.32, tag 0x0112.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

fn colour_profile(space: &[u8; 4]) -> Vec<u8> {
    [&[0; 16][..], space, &[7; 108]].concat()
}

#[test]
fn each_format_comes_back_as_itself_with_half_the_sides() {
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        let shrunk = shrink(&encoded(format, &quarters(64, 43)), Wish::Half).unwrap();
        assert_eq!((shrunk.format, shrunk.original, shrunk.resized), (format, dimensions(64, 43), dimensions(32, 21)));
        assert_eq!(corners(&decoded(&shrunk)), [RED, GREEN, BLUE, WHITE], "{format:?}");
    }
}

#[test]
fn a_wish_rounds_down_and_never_enlarges_or_vanishes() {
    let photo = dimensions(1600, 1067);
    assert_eq!(Wish::Half.applied_to(photo), dimensions(800, 533));
    assert_eq!(Wish::Width(800).applied_to(photo), dimensions(800, 533));
    assert_eq!(Wish::Width(1).applied_to(photo), dimensions(1, 1));
    assert_eq!(Wish::Width(1600).applied_to(photo), photo);
    assert_eq!(Wish::Width(8192).applied_to(photo), photo);
    assert_eq!(Wish::Half.applied_to(dimensions(1, 1)), dimensions(1, 1));
    assert_eq!(Wish::Half.applied_to(dimensions(65_535, 1)), dimensions(32_767, 1));
}

#[test]
fn every_exif_orientation_ends_upright() {
    // The stored pixels are the upright picture turned back, so that applying the orientation must undo it.
    let stored_for = |orientation: Orientation| {
        let mut picture = quarters(48, 32);
        picture.apply_orientation(match orientation {
            Orientation::Rotate90 => Orientation::Rotate270,
            Orientation::Rotate270 => Orientation::Rotate90,
            own_inverse => own_inverse,
        });
        picture
    };
    for value in 1..=8 {
        let stored = stored_for(Orientation::from_exif(value).unwrap());
        for format in [Format::Jpeg, Format::WebP] {
            let mut bytes = Vec::new();
            match format {
                Format::Jpeg => {
                    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
                    encoder.set_exif_metadata(exif(value)).unwrap();
                    stored.write_with_encoder(encoder).unwrap();
                }
                Format::WebP | Format::Png => {
                    let mut encoder = WebPEncoder::new_lossless(&mut bytes);
                    encoder.set_exif_metadata(exif(value)).unwrap();
                    stored.write_with_encoder(encoder).unwrap();
                }
            }
            let shrunk = shrink(&bytes, Wish::Half).unwrap();
            assert_eq!((shrunk.original, shrunk.resized), (dimensions(48, 32), dimensions(24, 16)));
            assert_eq!(corners(&decoded(&shrunk)), [RED, GREEN, BLUE, WHITE], "{format:?} orientation {value}");
            let mut answer =
                ImageReader::with_format(Cursor::new(&shrunk.encoded), format.into()).into_decoder().unwrap();
            assert_eq!(answer.orientation().unwrap(), Orientation::NoTransforms, "turned twice would be wrong again");
        }
    }
}

#[test]
fn png_keeps_its_channels_and_its_depth() {
    let pictures = [
        DynamicImage::new(10, 10, ColorType::L8),
        DynamicImage::new(10, 10, ColorType::La8),
        DynamicImage::new(10, 10, ColorType::Rgba8),
        DynamicImage::new(10, 10, ColorType::L16),
        DynamicImage::new(10, 10, ColorType::La16),
        DynamicImage::new(10, 10, ColorType::Rgb16),
        DynamicImage::new(10, 10, ColorType::Rgba16),
    ];
    for picture in pictures {
        let shrunk = shrink(&encoded(Format::Png, &picture), Wish::Half).unwrap();
        assert_eq!(decoded(&shrunk).color(), picture.color());
    }
}

#[test]
fn a_grey_jpeg_stays_grey() {
    let grey = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(16, 16, image::Luma([90])));
    let small = decoded(&shrink(&encoded(Format::Jpeg, &grey), Wish::Half).unwrap());
    assert_eq!(small.color(), ColorType::L8);
    assert!(small.to_luma8().pixels().all(|pixel| pixel.0[0].abs_diff(90) <= 2));
}

#[test]
fn transparent_pixels_do_not_bleed_into_visible_ones() {
    // Left half: opaque red. Right half: fully transparent, with a green that nobody may ever see.
    let picture = image::RgbaImage::from_fn(16, 16, |x, _| {
        if x < 8 { image::Rgba([255, 0, 0, 255]) } else { image::Rgba([0, 255, 0, 0]) }
    });
    let small = decoded(&shrink(&encoded(Format::Png, &picture.into()), Wish::Width(3)).unwrap()).to_rgba8();
    for pixel in small.pixels().filter(|pixel| pixel.0[3] > 16) {
        assert!(pixel.0[0] > 200 && pixel.0[1] < 50, "{pixel:?}");
    }
}

#[test]
fn the_colour_profile_is_kept_when_it_speaks_of_the_channels() {
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        for (space, kept) in [(b"RGB ", true), (b"CMYK", false), (b"GRAY", false)] {
            let with_profile = encode(format, &quarters(16, 16), Some(colour_profile(space))).unwrap();
            let shrunk = shrink(&with_profile, Wish::Half).unwrap();
            let mut answer =
                ImageReader::with_format(Cursor::new(&shrunk.encoded), format.into()).into_decoder().unwrap();
            assert_eq!(answer.icc_profile().unwrap(), kept.then(|| colour_profile(space)), "{format:?}");
        }
    }
}

#[test]
fn a_picture_cut_at_any_eighth_is_refused() {
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        let whole = encoded(format, &quarters(64, 64));
        for eighths in 1..8 {
            let cut = shrink(&whole[..whole.len() * eighths / 8], Wish::Half);
            assert!(
                matches!(cut, Err(PictureError::Truncated | PictureError::Undecodable(_))),
                "{format:?} {eighths}/8: {cut:?}"
            );
        }
    }
}

#[test]
fn damage_anywhere_is_an_answer_and_never_a_panic() {
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        let whole = encoded(format, &quarters(8, 8));
        for position in 0..whole.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut damaged = whole.clone();
                damaged[position] ^= flip;
                // Some damage is only a wrong pixel; what counts is that a size within limits comes back, or an error.
                if let Ok(shrunk) = shrink(&damaged, Wish::Half) {
                    assert!(shrunk.resized.width <= shrunk.original.width);
                }
            }
        }
    }
}

#[test]
fn other_formats_and_nonsense_are_unknown() {
    for bytes in [&b""[..], b"GIF89a\x01\0\x01\0\0\0\0;", b"BM", b"hello", b"\x89PN", b"RIFF\0\0\0\0WAVE"] {
        assert!(matches!(shrink(bytes, Wish::Half), Err(PictureError::UnknownFormat)), "{bytes:?}");
    }
}

#[test]
fn a_side_and_an_area_beyond_the_limits_are_refused_by_the_header_alone() {
    let long = encoded(Format::Png, &DynamicImage::new(SIDE_PIXELS_MAX + 1, 1, ColorType::L8));
    assert!(matches!(shrink(&long, Wish::Half), Err(PictureError::BeyondLimits(_))));
    let longest = encoded(Format::Png, &DynamicImage::new(SIDE_PIXELS_MAX, 1, ColorType::L8));
    assert!(shrink(&longest, Wish::Half).is_ok());

    let mut large = encoded(Format::Jpeg, &quarters(16, 16));
    let frame = large.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    large[frame + 5..frame + 9].copy_from_slice(&[0xF0, 0x00, 0xF0, 0x00]);
    let refused = shrink(&large, Wish::Half);
    assert!(matches!(refused, Err(PictureError::TooManyPixels(Dimensions { width: 0xF000, height: 0xF000 }))));
}
