//! The examples of RFC 7541 appendix C, and what is written here read by others.

use super::super::field::Field;
use super::super::frames::{HEAD_BYTES, Head, flag, kind, put_head, put_settings};
use super::{Decoder, Encoder, Wrong, statics};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use penstock_model::header_list::HeaderList;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Octets as the RFC writes them.
fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A field in words.
fn said(field: &Field) -> String {
    match field {
        Field::Method(method) => format!(":method: {method}"),
        Field::Scheme(scheme) => format!(":scheme: {scheme}"),
        Field::Path(path) => format!(":path: {path}"),
        Field::Authority(authority) => format!(":authority: {authority}"),
        Field::Host(value) => format!("host: {}", value.to_str().unwrap()),
        Field::Length(bytes, _) => format!("content-length: {bytes}"),
        Field::Header(name, value) => format!("{name}: {}", value.to_str().unwrap()),
        Field::Malformed(..) => "malformed".to_owned(),
    }
}

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let mut fields = Vec::new();
    assert_eq!(decoder.decode(block, |field| fields.push(said(&field))), Ok(true));
    fields
}

#[test]
fn requests_of_the_rfc_with_and_without_huffmans_code() {
    let first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    let third = [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com"];
    for blocks in [
        // Appendix C.3.
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        // Appendix C.4.
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = Decoder::default();
        assert_eq!(decoded(&mut decoder, &octets(blocks[0])), first);
        assert_eq!(decoder.bytes(), 57);
        assert_eq!(decoded(&mut decoder, &octets(blocks[1])), [&first[..], &["cache-control: no-cache"]].concat());
        assert_eq!(decoder.bytes(), 110);
        assert_eq!(decoded(&mut decoder, &octets(blocks[2])), [&third[..], &["custom-key: custom-value"]].concat());
        assert_eq!(decoder.bytes(), 164);
    }
}

#[test]
fn single_fields_of_the_rfc() {
    // Appendix C.2.
    for (block, field, table) in [
        ("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header", 55),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0),
        ("82", ":method: GET", 0),
    ] {
        let mut decoder = Decoder::default();
        assert_eq!((decoded(&mut decoder, &octets(block)), decoder.bytes()), (vec![field.to_owned()], table));
    }
}

#[test]
fn the_table_of_answers_of_the_rfc_drives_out_what_does_not_fit() {
    // Appendix C.5 and C.6, whose table holds 256 octets. A status is none of a request.
    let rest = ["cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com"];
    for (first, second) in [
        (
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e \
             1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
        ),
        (
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b \
             97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
        ),
    ] {
        let mut decoder = Decoder::default();
        let resized = [&[0x3f, 0xe1, 0x01][..], &octets(first)].concat();
        let expected = [&["malformed"], &rest[..]].concat();
        assert_eq!(
            (decoded(&mut decoder, &resized), decoder.bytes()),
            (expected.iter().map(|&field| field.to_owned()).collect(), 222)
        );
        assert_eq!(decoded(&mut decoder, &octets(second)), expected);
        assert_eq!(decoder.bytes(), 222);
        // The first status has gone: there are four fields left.
        assert_eq!(decoder.decode(&[0xc2], |_| {}), Err(Wrong::Block));
    }
}

#[test]
fn lists_that_are_too_large_are_read_to_their_end_and_floods_are_not() {
    let mut decoder = Decoder::default();
    let mut block = octets("4006 782d 626f 6d62 7fa1 1e");
    block.extend_from_slice(&[b'x'; 4_000]);
    let (mut small, mut large) = (block.clone(), block.clone());
    small.extend_from_slice(&[0xbe; 10]);
    large.extend_from_slice(&[0xbe; 30]);
    block.extend_from_slice(&[0xbe; 100]);
    let mut count = 0;
    assert_eq!(decoder.decode(&small, |_| count += 1), Ok(true));
    assert_eq!(count, 11);
    assert_eq!(decoder.decode(&large, |_| count += 1), Ok(false));
    assert!(count < 11 + 31);
    assert_eq!(decoder.decode(&block, |_| ()), Err(Wrong::Flood));
}

/// A field of an answer.
type Pair = (HeaderName, HeaderValue);

fn pairs() -> impl Strategy<Value = Vec<Vec<Pair>>> {
    let names = prop_oneof![
        prop::sample::select(vec![
            "content-type",
            "etag",
            "server",
            "vary",
            "cache-control",
            "x-amzn-requestid",
            "x-a"
        ]),
        prop::sample::select(vec!["x-b", "x-c", "age", "via", "set-cookie", "last-modified", "retry-after"]),
    ];
    let values = prop_oneof![
        4 => prop::sample::select(vec!["", "a", "application/json", "no-cache", "1", "2"]).prop_map(str::to_owned),
        2 => "[!-~]{1,40}",
        1 => "[a-z]{100,3000}",
    ];
    let pair = (names, values, any::<bool>()).prop_map(|(name, value, is_sensitive)| {
        let mut value = HeaderValue::from_str(&value).unwrap();
        value.set_sensitive(is_sensitive && value.len().is_multiple_of(2));
        (HeaderName::from_static(name), value)
    });
    prop::collection::vec(prop::collection::vec(pair, 0..12), 1..30)
}

fn write(encoder: &mut Encoder, block: &[Pair]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    Encoder::status(&mut out, StatusCode::OK);
    encoder.fields(&mut out, &block.iter().cloned().collect::<HeaderList>());
    out
}

proptest! {
    #[test]
    fn what_is_written_is_read(blocks in pairs(), sizes in prop::collection::vec(prop::option::of(0..5_000_u32), 30)) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::default());
        for (block, size) in blocks.iter().zip(sizes) {
            if let Some(size) = size {
                encoder.resize(size / 3);
                encoder.resize(size);
            }
            let read = decoded(&mut decoder, &write(&mut encoder, block));
            prop_assert_eq!(&read[0], "malformed");
            let fields: HeaderList = block.iter().cloned().collect();
            let expected = fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            prop_assert_eq!(&read[1..], &expected.collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read_by_a_client(blocks in pairs(), table in prop::option::of(0..5_000_u32)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answers = runtime.block_on(client_reads(&blocks, table));
        prop_assert_eq!(answers, blocks.into_iter().map(sorted).collect::<Vec<_>>());
    }
}

fn sorted(mut block: Vec<Pair>) -> Vec<(String, Vec<u8>)> {
    let said = block.drain(..).map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut said: Vec<_> = said.collect();
    said.sort();
    said
}

/// What another engine reads of these answers.
async fn client_reads(blocks: &[Vec<Pair>], table: Option<u32>) -> Vec<Vec<(String, Vec<u8>)>> {
    let (here, there) = tokio::io::duplex(1 << 20);
    let mut builder = h2::client::Builder::new();
    if let Some(table) = table {
        builder.header_table_size(table);
    }
    let server = async move {
        let (mut reading, mut writing) = tokio::io::split(here);
        let mut encoder = Encoder::new();
        encoder.resize(table.unwrap_or(4_096));
        let mut out = Vec::new();
        put_settings(&mut out, &[]);
        put_head(&mut out, 0, kind::SETTINGS, flag::ACK, 0);
        for (at, block) in blocks.iter().enumerate() {
            let block = write(&mut encoder, block);
            let mut pieces = block.chunks(10_000).peekable();
            let mut kind = kind::HEADERS;
            while let Some(piece) = pieces.next() {
                let last = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
                let first = if kind == kind::HEADERS { flag::END_STREAM } else { 0 };
                put_head(&mut out, piece.len(), kind, first | last, 2 * at as u32 + 1);
                out.extend_from_slice(piece);
                kind = kind::CONTINUATION;
            }
        }
        // Behind the requests: nobody answers what was not asked.
        reading.read_exact(&mut [0; 24]).await.unwrap();
        let mut asked = 0;
        while asked < blocks.len() {
            let mut head = [0; HEAD_BYTES];
            reading.read_exact(&mut head).await.unwrap();
            let head = Head::of(head);
            reading.read_exact(&mut vec![0; head.length as usize]).await.unwrap();
            asked += usize::from(head.kind == kind::HEADERS);
        }
        writing.write_all(&out).await.unwrap();
        while matches!(reading.read(&mut [0; 4_096]).await, Ok(1..)) {}
    };
    let client = async {
        let (mut sender, connection) = builder.handshake::<_, Bytes>(there).await.unwrap();
        let asking = async {
            let mut waiting = Vec::new();
            for _ in blocks {
                sender = sender.ready().await.unwrap();
                waiting.push(sender.send_request(Request::new(()), true).unwrap().0);
            }
            let mut answers = Vec::new();
            for answer in waiting {
                let headers = answer.await.unwrap().into_parts().0.headers;
                answers.push(sorted(headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()));
            }
            answers
        };
        tokio::select! {
            answers = asking => answers,
            ended = connection => panic!("the client has ended the connection: {ended:?}"),
        }
    };
    tokio::select! {
        () = server => panic!("the server has ended first"),
        answers = client => answers,
    }
}

#[test]
fn what_repeats_becomes_an_index_and_what_is_sensitive_never() {
    let mut encoder = Encoder::new();
    let mut secret = HeaderValue::from_static("secret");
    secret.set_sensitive(true);
    let block = [
        (HeaderName::from_static("content-type"), HeaderValue::from_static("application/json")),
        (HeaderName::from_static("x-own"), HeaderValue::from_static("value")),
        (HeaderName::from_static("x-secret"), secret),
    ];
    let sizes: Vec<usize> = (0..4).map(|_| write(&mut encoder, &block).len()).collect();
    let secret = 1 + 1 + 8 + 1 + 6;
    assert_eq!(sizes[2..], [1 + 2 + secret, 1 + 2 + secret]);
    assert!(sizes[0] > 1 + 2 + secret && sizes[1] + 1 >= sizes[0]);
    assert_eq!(
        write(&mut encoder, &block)[1..3],
        [0x80 | (statics::COUNT + 2) as u8, 0x80 | (statics::COUNT + 1) as u8]
    );
    let untouched = write(&mut encoder, &block);
    encoder.resize(0);
    let resized = write(&mut encoder, &block);
    assert_eq!((resized[0], resized.len()), (0x20, sizes[0] + 1), "nothing is kept any more");
    assert!(untouched.len() < resized.len());
}
