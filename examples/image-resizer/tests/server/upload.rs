//! Pictures that come back smaller.

use hyper::{Response, StatusCode};
use image::{DynamicImage, GenericImageView, ImageFormat};

use crate::support::{Resizer, encoded, gradient, post};

/// Decodes the answer after checking everything that its head says about it.
fn decoded(answer: &Response<bytes::Bytes>, media_type: &str, sizes: (&str, &str)) -> DynamicImage {
    assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
    let header = |name: &str| answer.headers()[name].to_str().expect("a plain header").to_owned();
    assert_eq!(header("content-type"), media_type);
    assert_eq!(header("content-length"), answer.body().len().to_string());
    assert_eq!((header("x-original-size").as_str(), header("x-resized-size").as_str()), sizes);
    assert!(!answer.headers().contains_key("transfer-encoding"));
    image::load_from_memory(answer.body()).expect("a picture")
}

#[tokio::test]
async fn the_sample_photo_comes_back_with_half_its_sides() {
    let resizer = Resizer::start().await;
    let photo = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../my_image.jpg")).expect("the sample photo");
    let answer = post(resizer.address, "/upload", photo.clone()).await;
    let small = decoded(&answer, "image/jpeg", ("1600x1067", "800x533"));
    assert_eq!(small.dimensions(), (800, 533));
    assert!(answer.body().len() < photo.len());
    resizer.stop().await;
}

#[tokio::test]
async fn every_format_comes_back_as_itself() {
    let resizer = Resizer::start().await;
    let picture = gradient(120, 81);
    for (format, media_type) in
        [(ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::Png, "image/png"), (ImageFormat::WebP, "image/webp")]
    {
        let answer = post(resizer.address, "/upload", encoded(&picture, format)).await;
        let small = decoded(&answer, media_type, ("120x81", "60x40")).to_rgb8();
        assert_eq!(image::guess_format(answer.body()).expect("a known format"), format);
        // The same place has the same colour, so it is the same picture and not just one of the right size.
        for (x, y) in [(5, 5), (30, 20), (55, 35)] {
            let (was, is) = (picture.get_pixel(2 * x, 2 * y), small.get_pixel(x, y));
            let near = (0..3).all(|channel| was[channel].abs_diff(is[channel]) < 8);
            assert!(near, "{format:?} at {x},{y}: {was:?} became {is:?}");
        }
    }
    resizer.stop().await;
}

#[tokio::test]
async fn an_explicit_width_is_obeyed_and_never_enlarges() {
    let resizer = Resizer::start().await;
    let png = encoded(&gradient(100, 50), ImageFormat::Png);
    for (target, resized) in
        [("/upload?width=10", "10x5"), ("/upload?width=100", "100x50"), ("/upload?width=8192", "100x50")]
    {
        let answer = post(resizer.address, target, png.clone()).await;
        let small = decoded(&answer, "image/png", ("100x50", resized));
        assert_eq!(format!("{}x{}", small.width(), small.height()), resized);
    }
    resizer.stop().await;
}

#[tokio::test]
async fn the_bytes_decide_and_not_the_content_type() {
    let resizer = Resizer::start().await;
    let mut request =
        crate::support::request(hyper::Method::POST, "/upload", encoded(&gradient(8, 8), ImageFormat::WebP));
    request.headers_mut().insert("content-type", "image/jpeg".parse().expect("a header value"));
    decoded(&crate::support::send(resizer.address, request).await, "image/webp", ("8x8", "4x4"));
    resizer.stop().await;
}

#[tokio::test]
async fn twenty_uploads_at_once_each_get_their_own_picture() {
    let resizer = Resizer::start().await;
    let address = resizer.address;
    let uploads = (1..=20).map(|number| {
        let jpeg = encoded(&gradient(100 + 10 * number, 64), ImageFormat::Jpeg);
        tokio::spawn(async move { (number, post(address, "/upload", jpeg).await) })
    });
    for upload in uploads.collect::<Vec<_>>() {
        let (number, answer) = upload.await.expect("no panic in the client");
        let sizes = (format!("{}x64", 100 + 10 * number), format!("{}x32", 50 + 5 * number));
        let small = decoded(&answer, "image/jpeg", (&sizes.0, &sizes.1));
        assert_eq!(small.dimensions(), (50 + 5 * number, 32));
    }
    resizer.stop().await;
}
