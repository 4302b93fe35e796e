//! Content codings of answers and requests (section h.8): which bodies get one, which one, and that nothing but the coding
//! changes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::client::Answer;
use harness::coding::{CODINGS, decode, encode};
use harness::content::{Api, Framing, Recorder, http, http_proxy, reply, send, with};
use harness::upstream::{Body, Upstream, whole};
use harness::wait::bounded;
use harness::{World, client, scale};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Request, Response};
use penstock_proto::management::v1::rest_api::Fidelity;
use serde_json::json;
use std::convert::Infallible;
use std::process::Command;
use tokio_stream::wrappers::ReceiverStream;

/// Smallest answer that is compressed here, in bytes.
const BYTES_MIN: usize = 1000;

/// Text of this many bytes that is worth compressing.
fn text(bytes: usize) -> Vec<u8> {
    b"It is a truth universally acknowledged. ".iter().copied().cycle().take(bytes).collect()
}

/// A gateway that compresses. Its upstream answers with what the request asks for: `x-bytes` of text, `x-status`, and the
/// header that `x-header` gives as `name: value`.
async fn compressing() -> (World, Upstream) {
    let upstream = Upstream::http(|request| async move {
        let asked = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let bytes = text(asked("x-bytes").map_or(2 * BYTES_MIN, |bytes| bytes.parse().unwrap()));
        let status = asked("x-status").map_or(200, |status| status.parse().unwrap());
        let header = asked("x-header");
        let header: Vec<_> = header.iter().filter_map(|line| line.split_once(": ")).collect();
        let bodiless = request.method() == "HEAD" || status == 204 || status == 304;
        let is_chunked = asked("x-chunked").is_some();
        let body = match bodiless {
            true => whole(""),
            // One chunk, so that it is not the clock that decides how much of it is looked at.
            false if is_chunked => {
                let frames = [Ok::<_, Infallible>(Frame::data(bytes.into()))];
                StreamBody::new(tokio_stream::iter(frames)).map_err(|never| match never {}).boxed()
            }
            false => whole(bytes),
        };
        reply(status, &header, body)
    })
    .await;
    let world = World::start(1).await;
    let mut api = Api::at("any").extension("minimum-compression-size", json!(BYTES_MIN));
    api.route("ANY", "/", http_proxy(format!("http://{}/", upstream.address)));
    api.register(&world).await;
    (world, upstream)
}

async fn ask(world: &World, headers: &[(&str, &str)]) -> Answer {
    send(world, "any", "GET /", headers, whole("")).await
}

/// The coding of an answer, whose decoded bytes must be `bytes` of [`text`] whatever it is.
fn coding(answer: &Answer, bytes: usize) -> String {
    let coding = answer.header("content-encoding").to_owned();
    let decoded = if coding.is_empty() { answer.body.to_vec() } else { decode(&coding, &answer.body, bytes) };
    assert!(decoded == text(bytes), "{coding}: {} bytes are not those that were sent", decoded.len());
    coding
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_decides_and_the_length_that_the_upstream_tells_does_not() {
    let (world, _upstream) = compressing().await;
    for (bytes, compressed) in
        [(0, false), (BYTES_MIN - 1, false), (BYTES_MIN, true), (BYTES_MIN + 1, true), (3_000_000, true)]
    {
        for chunked in [false, true] {
            if chunked && bytes > 100_000 {
                continue;
            }
            let count = bytes.to_string();
            let headers = [("x-bytes", &*count), ("accept-encoding", "gzip"), ("x-chunked", "1")];
            let mut answer = ask(&world, if chunked { &headers } else { &headers[..2] }).await;
            let row = format!("{bytes} bytes, chunked {chunked}");
            // A body without a length that the machine is too busy to have ready in time counts as large.
            for _ in 0..20 {
                if !chunked || compressed || coding(&answer, bytes).is_empty() {
                    break;
                }
                answer = ask(&world, &headers).await;
            }
            assert_eq!(coding(&answer, bytes), if compressed { "gzip" } else { "" }, "{row}");
            assert_eq!(answer.header("vary"), "Accept-Encoding", "{row}: another client gets other bytes");
            let length = answer.headers.get("content-length").map(|value| value.to_str().unwrap());
            if compressed {
                assert_eq!(length, None, "{row}");
                assert!(answer.body.len() < bytes / 2, "{row}: {} bytes", answer.body.len());
            } else if !chunked {
                assert_eq!(length, Some(&*count), "{row}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_chooses_the_coding() {
    let (world, _upstream) = compressing().await;
    for (accept, expected) in [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("br;q=0.1, zstd;q=0.1, gzip;q=0.2", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0, *", "zstd"),
        ("*", "zstd"),
        ("*;q=0", ""),
        ("zstd;q=0, *;q=0.3", "br"),
        ("identity", ""),
        ("identity, gzip;q=0.5", ""),
        ("identity;q=0.5, gzip", "gzip"),
        ("compress, lzma", ""),
        ("gzip;q=nonsense", ""),
        ("", ""),
    ] {
        let answer = ask(&world, &[("accept-encoding", accept)]).await;
        assert_eq!(coding(&answer, 2 * BYTES_MIN), expected, "{accept:?}");
        assert_eq!(answer.header("vary"), "Accept-Encoding", "{accept:?}");
    }
    let answer = ask(&world, &[]).await;
    assert_eq!(coding(&answer, 2 * BYTES_MIN), "", "without Accept-Encoding");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_about_the_bytes_stays_true() {
    let (world, _upstream) = compressing().await;
    for (line, name, compressed, plain) in [
        (r#"etag: "abc""#, "etag", r#"W/"abc""#, r#""abc""#),
        (r#"etag: W/"abc""#, "etag", r#"W/"abc""#, r#"W/"abc""#),
        ("accept-ranges: bytes", "accept-ranges", "", "bytes"),
        ("content-digest: sha-256=:AAAA:", "content-digest", "", "sha-256=:AAAA:"),
        ("repr-digest: sha-256=:AAAA:", "repr-digest", "", "sha-256=:AAAA:"),
        ("content-type: text/css", "content-type", "text/css", "text/css"),
        ("x-other: stays", "x-other", "stays", "stays"),
    ] {
        let answer = ask(&world, &[("accept-encoding", "gzip"), ("x-header", line)]).await;
        assert_eq!((coding(&answer, 2 * BYTES_MIN), answer.header(name)), ("gzip".into(), compressed), "{line}");
        let answer = ask(&world, &[("x-header", line)]).await;
        assert_eq!((coding(&answer, 2 * BYTES_MIN), answer.header(name)), (String::new(), plain), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_must_not_be_touched_are_not() {
    let (world, _upstream) = compressing().await;
    for line in [
        "cache-control: public, No-Transform",
        "content-encoding: x-own",
        "content-type: image/jpeg",
        "content-type: video/mp4",
        "content-type: application/zip",
        "content-type: application/pdf",
        "content-type: font/woff2",
        "content-type: application/octet-stream",
        "content-type: text/event-stream",
        "content-range: bytes 0-1999/5000",
    ] {
        let answer = ask(&world, &[("accept-encoding", "gzip"), ("x-header", line)]).await;
        assert_eq!(answer.body, text(2 * BYTES_MIN), "{line}");
        let own = if line.starts_with("content-encoding") { "x-own" } else { "" };
        assert_eq!(answer.header("content-encoding"), own, "{line}");
        assert_eq!(answer.header("content-length"), (2 * BYTES_MIN).to_string(), "{line}");
    }
    // A part of something has offsets into its bytes, whether or not it says which part.
    for status in ["204", "304", "206"] {
        let answer = ask(&world, &[("accept-encoding", "gzip"), ("x-status", status)]).await;
        assert_eq!((answer.status.as_str(), answer.header("content-encoding")), (status, ""));
    }
    let head = send(&world, "any", "HEAD /", &[("accept-encoding", "gzip")], whole("")).await;
    assert_eq!((head.status.as_u16(), head.header("content-encoding")), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_may_ask_for_media_types_that_are_left_alone_and_for_none_at_all() {
    let recorder = Recorder::start(|_| reply(200, &[("content-type", "application/pdf")], whole(text(5000)))).await;
    let world = World::start(1).await;
    let asking = |domain, types: &[&str]| {
        let types: Vec<String> = types.iter().map(|kind| (*kind).to_owned()).collect();
        Api::at(domain).settings(|api| api.compression_media_types = types)
    };
    for (domain, types, minimum, expected) in [
        ("asked.test", &["application/pdf"][..], Some(0), "gzip"),
        ("main.test", &["application/*"], Some(0), "gzip"),
        ("other.test", &["image/png"], Some(0), ""),
        ("none.test", &["application/pdf"], None, ""),
    ] {
        let mut api = asking(domain, types);
        if let Some(minimum) = minimum {
            api = api.extension("minimum-compression-size", json!(minimum));
        }
        api.route("GET", "/", http_proxy(recorder.uri("/")));
        api.register(&world).await;
        let answer = send(&world, domain, "GET /", &[("accept-encoding", "gzip")], whole("")).await;
        assert_eq!(
            (answer.header("content-encoding"), answer.header("vary").is_empty()),
            (expected, expected.is_empty()),
            "{domain}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_tells_things_as_they_happen_is_compressed_as_they_happen() {
    let (feed, fed) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let fed = std::sync::Arc::new(std::sync::Mutex::new(Some(fed)));
    let upstream = Upstream::http(move |_| {
        let body = StreamBody::new(ReceiverStream::new(fed.lock().unwrap().take().unwrap()));
        async move { Response::new(body.map_err(|never| match never {}).boxed()) }
    })
    .await;
    let world = World::start(1).await;
    let mut api = Api::at("any").extension("minimum-compression-size", json!(0));
    api.route("GET", "/", http_proxy(format!("http://{}/", upstream.address)));
    api.register(&world).await;
    let request = Request::get("/").header("host", "any").header("accept-encoding", "gzip").body(whole("")).unwrap();
    let mut connection = client::Connection::<Body>::open(world.proxy()).await;
    feed.send(Ok(Frame::data("first".into()))).await.unwrap();
    let response = bounded("the head, while the answer is open", connection.send(request)).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut body = response.into_body();
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    for word in ["first", "second", "third"] {
        if word != "first" {
            feed.send(Ok(Frame::data(word.into()))).await.unwrap();
        }
        // Each word arrives although nothing follows it.
        while decoder.get_ref().is_empty() {
            let frame = bounded(word, body.frame()).await.unwrap().unwrap().into_data().unwrap();
            std::io::Write::write_all(&mut decoder, &frame).unwrap();
            std::io::Write::flush(&mut decoder).unwrap();
        }
        assert_eq!(std::mem::take(decoder.get_mut()), word.as_bytes());
    }
    drop(feed);
    let rest = bounded("the end", body.collect()).await.unwrap().to_bytes();
    std::io::Write::write_all(&mut decoder, &rest).unwrap();
    assert!(decoder.finish().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_answer_that_breaks_off_is_cut() {
    let upstream = Upstream::canned(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100000\r\n\r\nonly this, and nothing more",
    )
    .await;
    let world = World::start(1).await;
    let mut api = Api::at("any").extension("minimum-compression-size", json!(0));
    api.route("GET", "/", http_proxy(format!("http://{}/", upstream.address)));
    api.register(&world).await;
    for coding in CODINGS {
        let request =
            Request::get("/").header("host", "any").header("accept-encoding", coding).body(whole("")).unwrap();
        let response = client::Connection::<Body>::open(world.proxy()).await.send(request).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], coding);
        assert!(bounded("the cut", response.into_body().collect()).await.is_err(), "{coding}: it ended well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_request_passes_as_it_is_unless_something_reads_it() {
    let recorder = Recorder::start(|_| Response::new(whole("fine"))).await;
    let world = World::start(1).await;
    let mapped = json!({"requestParameters": {"integration.request.header.X-Mapped": "method.request.body.a"}});
    let document = br#"{"a": "found"}"#;
    for (domain, fidelity) in [("transparent.test", Fidelity::Transparent), ("aws.test", Fidelity::Aws)] {
        let mut api = Api::at(domain).fidelity(fidelity).binary(&["application/*"]);
        api.route("POST", "/proxy", http_proxy(recorder.uri("/")));
        api.route("POST", "/custom", http(recorder.uri("/")));
        let to_text = json!({"contentHandling": "CONVERT_TO_TEXT"});
        api.route("POST", "/encode", with(http(recorder.uri("/")), to_text.clone()));
        api.register(&world).await;
        for coding in CODINGS {
            let coded = encode(coding, document);
            // The specification knows gzip and deflate, and takes those off always (section h.8).
            let taken_off = fidelity == Fidelity::Aws && ["gzip", "deflate"].contains(&coding);
            for path in ["/proxy", "/custom"] {
                let headers = [("content-type", "application/x"), ("content-encoding", coding)];
                send(&world, domain, &format!("POST {path}"), &headers, whole(coded.clone())).await;
                let recorded = recorder.take().unwrap();
                let expected = if taken_off { &document[..] } else { &coded };
                assert!(recorded.body.as_deref() == Some(expected), "{domain}{path} {coding}");
                let named = if fidelity == Fidelity::Aws { vec![] } else { vec![coding] };
                assert_eq!(recorded.all("content-encoding"), named, "{domain}{path} {coding}");
            }
        }
    }
    let mut api = Api::at("reading.test");
    api.route("POST", "/map", with(http(recorder.uri("/")), mapped));
    api.register(&world).await;
    for coding in CODINGS {
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        for framing in Framing::ALL {
            send(&world, "reading.test", "POST /map", &headers, framing.body(&encode(coding, document))).await;
            let recorded = recorder.take().unwrap();
            assert_eq!(recorded.all("x-mapped"), ["found"], "{coding}");
            // Whoever reads it has a copy of his own.
            assert!(recorded.body.as_deref() == Some(&encode(coding, document)[..]), "{coding}");
            assert_eq!(recorded.all("content-encoding"), [coding]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_and_python_read_what_was_compressed() {
    let (world, _upstream) = compressing().await;
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(!scale::in_ci(), "curl is missing");
        println!("SKIPPED: curl is not installed");
        return;
    }
    let url = format!("http://{}/", world.proxy());
    let expected = text(2 * BYTES_MIN);
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let curl = |arguments: &[&str]| {
            let output = Command::new("curl")
                .args(["-sS", "--fail", protocol, "-H", "Host: any"])
                .args(arguments)
                .arg(&url)
                .output()
                .unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        assert!(curl(&["--compressed"]) == expected, "{protocol}: all codings that this curl has");
        for coding in ["gzip", "deflate"] {
            assert!(
                curl(&["--compressed", "-H", &format!("Accept-Encoding: {coding}")]) == expected,
                "{protocol} {coding}"
            );
            let raw = world.directory().join(coding);
            std::fs::write(&raw, curl(&["-H", &format!("Accept-Encoding: {coding}")])).unwrap();
            let wbits = if coding == "gzip" { 31 } else { 15 };
            let script = format!(
                "import sys,zlib; sys.stdout.buffer.write(zlib.decompress(open(sys.argv[1],'rb').read(), {wbits}))"
            );
            let Ok(output) = Command::new("python3").args(["-c", &script]).arg(&raw).output() else {
                assert!(!scale::in_ci(), "Python is missing");
                println!("SKIPPED: Python is not installed");
                return;
            };
            assert!(output.stdout == expected, "{coding}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_fidelity_knows_the_codings_of_the_specification() {
    let recorder = Recorder::start(|_| Response::new(whole(text(2 * BYTES_MIN)))).await;
    let world = World::start(1).await;
    let mut api = Api::at("any").fidelity(Fidelity::Aws).extension("minimum-compression-size", json!(BYTES_MIN));
    api.route("GET", "/", http_proxy(recorder.uri("/")));
    api.register(&world).await;
    for (accept, expected) in [("gzip, deflate, br, zstd", "gzip"), ("deflate, br", "deflate"), ("br, zstd", "")] {
        let answer = ask(&world, &[("accept-encoding", accept)]).await;
        assert_eq!(coding(&answer, 2 * BYTES_MIN), expected, "{accept:?}");
        recorder.take();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_behind_the_bytes_before_is_not_sent_behind_the_coded_ones() {
    let upstream = Upstream::canned(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: content-digest, x-t\r\n\r\n2\r\nok\r\n0\r\n\
          content-digest: sha-256=:J4nNfI4B6HGxcUCfVs8TzZ7h8dWCvMRRHKgGLGRXZBE=:\r\nx-t: 1\r\n\r\n",
    )
    .await;
    let world = World::start(1).await;
    let mut api = Api::at("any").extension("minimum-compression-size", json!(0));
    api.route("GET", "/", http_proxy(format!("http://{}/", upstream.address)));
    api.register(&world).await;
    for (accept, expected) in [("identity", &["content-digest", "x-t"][..]), ("gzip", &["x-t"])] {
        let request = Request::get("/").header("host", "any").header("te", "trailers");
        let request = request.header("accept-encoding", accept).body(whole("")).unwrap();
        let mut connection = client::Connection::<Body>::open(world.proxy()).await;
        let body = bounded("an answer", connection.send(request)).await.unwrap().into_body();
        let collected = bounded("its end", body.collect()).await.unwrap();
        let mut names: Vec<_> = collected.trailers().unwrap().keys().map(ToString::to_string).collect();
        names.sort();
        assert_eq!(names, expected, "{accept}");
    }
}
