//! Properties over random mixtures of the corpus: the way of reading changes nothing, and hyper reads what we read.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncRead, ReadBuf};

use super::super::{FramingLimits, FramingViolation, HeadLimits, MessagePart};
use super::corpus::{corpus, guarded};
use super::hyper_server::serve;
use super::io::GuardedIo;
use super::reading::{answers, requests};
use super::scripted::Scripted;

const READS_MAX: usize = 100_000;

/// Some cases behind each other, with some bytes replaced, put in or taken out.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let cases: Vec<Vec<u8>> = corpus().into_iter().map(|case| case.raw).filter(|raw| raw.len() < 400).collect();
    let byte = prop_oneof![prop::sample::select(&b"\r\n\t :;,0123aAfF/*?\x00\x7f\x80"[..]), any::<u8>(),];
    let change = (any::<prop::sample::Index>(), 0..3, byte);
    let cases = prop::collection::vec(prop::sample::select(cases), 1..4);
    (cases, prop::collection::vec(change, 0..4)).prop_map(|(cases, changes)| {
        let mut raw = cases.concat();
        for (place, kind, byte) in changes {
            if raw.is_empty() {
                break;
            }
            let place = place.index(raw.len());
            match kind {
                0 => raw[place] = byte,
                1 => raw.insert(place, byte),
                _ => drop(raw.remove(place)),
            }
        }
        raw
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..80, 1..6)
}

fn small_limits() -> impl Strategy<Value = FramingLimits> {
    prop_oneof![
        Just(FramingLimits::default()),
        (20usize..120, 1usize..30, 1usize..4).prop_map(|(head_bytes_max, target_bytes_max, header_count_max)| {
            let head = HeadLimits { head_bytes_max, target_bytes_max, header_count_max };
            FramingLimits { head, ..FramingLimits::default() }
        }),
    ]
}

/// Reads everything through a [`GuardedIo`] with buffers of the given sizes.
fn read_through(
    raw: &[u8],
    prefix_len: usize,
    sizes: &[usize],
    limits: FramingLimits,
) -> (Vec<u8>, Option<FramingViolation>) {
    let (prefix, rest) = raw.split_at(prefix_len.min(raw.len()));
    let (mut io, cell) = GuardedIo::new(Scripted::new(rest, sizes), prefix, limits);
    let mut cx = Context::from_waker(Waker::noop());
    let mut passed = Vec::new();
    for size in sizes.iter().rev().cycle().take(READS_MAX) {
        let mut space = vec![0; *size];
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(&mut io).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => {
                assert_eq!(cell.get(), None, "a violation never looks like an end");
                return (passed, None);
            }
            Poll::Ready(Ok(())) => passed.extend_from_slice(buf.filled()),
            Poll::Ready(Err(error)) => {
                let violation = error.get_ref().and_then(|error| error.downcast_ref::<FramingViolation>());
                assert_eq!(violation.copied(), cell.in_body());
                return (passed, cell.get());
            }
            Poll::Pending => {
                let violation = cell.get().expect("only a refused head ends in silence");
                assert_eq!(violation.part, MessagePart::Head);
                return (passed, Some(violation));
            }
        }
    }
    panic!("reading did not end");
}

proptest! {
    #[test]
    fn every_way_of_reading_passes_the_same_bytes_and_finds_the_same_violation(
        raw in inputs(),
        sizes in sizes(),
        prefix_len in 0usize..60,
        limits in small_limits(),
    ) {
        let whole = guarded([&raw[..]], limits);
        let mut rest = &raw[..];
        let pieces = sizes.iter().cycle().map_while(|&size| {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&guarded(pieces, limits), &whole);
        let through = read_through(&raw, prefix_len, &sizes, limits);
        prop_assert_eq!(through, (whole.passed, whole.violation));
    }
}

#[test]
fn hyper_reads_the_same_requests_as_the_grammar_and_never_refuses_one_itself() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(1_000));
    runner
        .run(&(inputs(), sizes()), |(raw, sizes)| {
            let stream = Scripted::new(&raw, &sizes);
            let written = stream.written();
            let (calls, served) = runtime.block_on(serve(stream, b"", FramingLimits::default()));
            let outcome = guarded([&raw[..]], FramingLimits::default());
            let answers = answers(&written.borrow(), &calls);

            // A request may close the connection and leave the ones behind it unread.
            let closes = raw.windows(8).any(|text| text == b"HTTP/1.0")
                || raw.to_ascii_lowercase().windows(10).any(|text| text == b"connection");
            let expected = requests(&outcome.passed);
            let whole = calls.iter().filter(|call| call.2.is_some()).count();
            prop_assert!(closes || whole == expected.iter().filter(|call| call.0 != "REFUSED").count());
            prop_assert_eq!(&calls[..whole], &expected[..whole]);
            // A body fails only where we broke it or the input ended, and only as the last one.
            prop_assert!(calls.len() <= whole + 1);
            prop_assert!(calls.len() == whole || !outcome.at_boundary);
            if let Some(violation) = outcome.violation.filter(|_| !closes) {
                // What is wrong with the body of a HEAD is answered without words (RFC 9110 section 9.3.2).
                let is_head = calls.last().is_some_and(|(method, _, body)| method == "HEAD" && body.is_none());
                let words = if is_head { String::new() } else { violation.to_string() };
                prop_assert_eq!(answers.last().cloned(), Some((violation.status(), words)));
            }
            // Without an error there was no parse error either: hyper found nothing to refuse.
            prop_assert!(served.is_ok(), "{:?}", served);
            Ok(())
        })
        .unwrap();
}
