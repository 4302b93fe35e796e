//! The real program asks the service for its first event, in both of its modes.

use std::io::ErrorKind::WouldBlock;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// No wait takes longer, or the test fails.
const A_BOUND: Duration = Duration::from_secs(30);

#[test]
fn it_starts_and_asks_for_an_event() {
    for streams in ["false", "true"] {
        let service = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut function = Command::new(env!("CARGO_BIN_EXE_image-function"))
            .env("AWS_LAMBDA_RUNTIME_API", service.local_addr().expect("bound").to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "image-function")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("STREAM_RESPONSES", streams)
            .spawn()
            .expect("it starts");
        let stream = accepted(&service, &mut function);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("it asks");
        assert_eq!(line, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n");
        function.kill().expect("it still runs");
        function.wait().expect("it ends");
    }
}

fn accepted(service: &TcpListener, function: &mut Child) -> TcpStream {
    service.set_nonblocking(true).expect("a socket of ours");
    let begun = Instant::now();
    loop {
        match service.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a socket of ours");
                return stream;
            }
            Err(error) => assert_eq!(error.kind(), WouldBlock, "{error}"),
        }
        assert_eq!(function.try_wait().expect("a child of ours"), None, "it ended");
        assert!(begun.elapsed() < A_BOUND, "it does not connect");
        std::thread::yield_now();
    }
}
