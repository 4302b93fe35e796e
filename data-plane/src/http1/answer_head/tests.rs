//! Heads of answers by the table.

use super::*;

fn head_of(raw: &[u8]) -> Result<Option<AnswerHead>, HeadError> {
    parse_answer(&mut BytesMut::from(raw))
}

/// What is to come behind a head, as text, and whether another answer may follow; or what is wrong.
fn judged(raw: &str, method: &Method) -> String {
    let mut head = match head_of(raw.as_bytes()) {
        Ok(head) => head.expect("a whole head"),
        Err(error) => return format!("{error:?}"),
    };
    match head.receiving(method) {
        Ok(receiving) => {
            let receiving = match receiving {
                Receiving::Nothing => "nothing".to_owned(),
                Receiving::Sized(bytes) => bytes.to_string(),
                Receiving::Chunked(_) => "chunks".to_owned(),
                Receiving::UntilEnd => "all".to_owned(),
            };
            format!("{receiving} {}", head.keep_alive)
        }
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn the_end_of_an_answer_is_found_as_section_6_3_of_rfc_9112_says() {
    for (status, lines, expected) in [
        ("1.1 200 OK", "", "all true"),
        ("1.1 200", "content-length: 5", "5 true"),
        ("1.1 200 OK", "Content-Length: 5\r\nContent-Length: 5", "5 true"),
        ("1.1 200 OK", "content-length: 5, 5", "5 true"),
        ("1.1 200 OK", "content-length: 0", "0 true"),
        ("1.1 200 OK", "content-length: 5\r\ncontent-length: 6", "Length"),
        ("1.1 200 OK", "content-length: 5, 6", "Length"),
        ("1.1 200 OK", "content-length: +5", "Length"),
        ("1.1 200 OK", "content-length: -5", "Length"),
        ("1.1 200 OK", "content-length: 5 5", "Length"),
        ("1.1 200 OK", "content-length: 0x5", "Length"),
        ("1.1 200 OK", "content-length:", "Length"),
        ("1.1 200 OK", "content-length: 99999999999999999999", "Length"),
        ("1.1 200 OK", "transfer-encoding: chunked", "chunks true"),
        ("1.1 200 OK", "Transfer-Encoding: Chunked", "chunks true"),
        // Its bytes would pass for the body's.
        ("1.1 200 OK", "transfer-encoding: gzip, chunked", "TransferEncoding"),
        ("1.1 200 OK", "transfer-encoding: gzip\r\ntransfer-encoding: chunked", "TransferEncoding"),
        ("1.1 200 OK", "transfer-encoding: chunked\r\ntransfer-encoding: chunked", "TransferEncoding"),
        ("1.1 200 OK", "transfer-encoding: chunked, gzip", "TransferEncoding"),
        ("1.1 200 OK", "transfer-encoding: xchunked", "TransferEncoding"),
        ("1.1 200 OK", "transfer-encoding: identity", "all true"),
        // Both: the length is not believed, and nothing behind the answer either.
        ("1.1 200 OK", "transfer-encoding: chunked\r\ncontent-length: 5", "chunks false"),
        ("1.0 200 OK", "transfer-encoding: chunked", "TransferEncoding"),
        ("1.0 200 OK", "content-length: 5", "5 false"),
        ("1.0 200 OK", "content-length: 5\r\nconnection: Keep-Alive", "5 true"),
        ("1.1 200 OK", "content-length: 5\r\nconnection: x, Close", "5 false"),
        ("1.1 204 No Content", "content-length: 5", "nothing true"),
        ("1.1 304 Not Modified", "transfer-encoding: chunked", "nothing true"),
        ("1.1 200 OK", "a b: c", "Grammar(HeaderName)"),
        ("1.1 200 OK", "a : c", "Grammar(HeaderName)"),
        ("1.1 200 OK", " a: c", "Grammar(HeaderName)"),
        ("1.1 2000 OK", "", "Grammar(Status)"),
        ("2.0 200 OK", "", "Grammar(Version)"),
    ] {
        let lines = if lines.is_empty() { String::new() } else { format!("{lines}\r\n") };
        let raw = format!("HTTP/{status}\r\n{lines}\r\n");
        assert_eq!(judged(&raw, &Method::GET), expected, "{raw:?}");
    }
    assert_eq!(judged("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", &Method::HEAD), "nothing true");
}

#[test]
fn a_head_is_taken_when_it_is_whole_and_not_awaited_for_ever() {
    let raw = b"HTTP/1.1 200 OK\r\nx: 1\r\nx: \xff\r\n\r\nbody";
    for part in 0..raw.len() - 4 {
        assert!(head_of(&raw[..part]).unwrap().is_none(), "{part} bytes");
    }
    let mut unread = BytesMut::from(&raw[..]);
    let head = parse_answer(&mut unread).unwrap().unwrap();
    assert_eq!((head.headers.get_all("x").count(), &unread[..]), (2, &b"body"[..]));
    let long = [&b"HTTP/1.1 200 OK\r\nx: "[..], &vec![b'x'; 100 * 1024]].concat();
    assert!(matches!(head_of(&long), Err(HeadError::TooLarge)));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(101));
    assert!(matches!(head_of(many.as_bytes()), Err(HeadError::Grammar(httparse::Error::TooManyHeaders))));
}
