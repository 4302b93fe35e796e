//! The example function behind an emulator that we did not write: `cargo lambda`, with the official runtime crate in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::content::{Api, send, with};
use harness::functions::{aws, aws_proxy, aws_proxy_v2, world_at};
use harness::process::{binary, repository};
use harness::scale;
use harness::upstream::whole;
use harness::wait::until;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Beside the Python of the foreign clients, or wherever programs are.
fn cargo_lambda() -> Option<PathBuf> {
    let beside =
        std::env::var_os("PENSTOCK_TEST_PYTHON").map(|python| PathBuf::from(python).with_file_name("cargo-lambda"));
    let candidates = beside.into_iter().chain([PathBuf::from("cargo-lambda")]);
    candidates.into_iter().find(|program| Command::new(program).args(["lambda", "--version"]).output().is_ok())
}

async fn emulator(program: PathBuf) -> (Running, SocketAddr) {
    // It takes no port 0; this one was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(program)
        .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port"])
        .arg(address.port().to_string())
        .current_dir(repository())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Running(child);
    until("the emulator listens", async || TcpStream::connect(address).is_ok(), |&listens| listens).await;
    (child, address)
}

fn function(emulator: SocketAddr) -> Running {
    let child = Command::new(binary("image-function"))
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://{emulator}/.rt/image-function"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "image-function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "4096")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Running(child)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_function_answers_a_smaller_picture_behind_an_emulator() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let Some(program) = cargo_lambda() else {
        assert!(!scale::in_ci(), "cargo-lambda is missing");
        println!("SKIPPED: install cargo-lambda from PyPI, on the path or beside the Python in PENSTOCK_TEST_PYTHON");
        return;
    };
    let (_emulator, address) = emulator(program).await;
    let _function = function(address);
    let world = world_at(address, &["--lambda-invoke-by", "name", "--aws-signing", "none"]).await;
    let mut api = Api::at("any").binary(&["*/*"]);
    api.route("POST", "/one", aws_proxy("image-function"));
    api.route("POST", "/two", aws_proxy_v2("image-function"));
    let to_binary = json!({"responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY"}}});
    api.route("POST", "/custom", with(aws("image-function"), to_binary));
    api.register(&world).await;

    let custom: Value = serde_json::from_slice(
        &std::fs::read(repository().join("examples/image-function/events/custom.json")).unwrap(),
    )
    .unwrap();
    let picture = STANDARD.decode(custom["image"].as_str().unwrap()).unwrap();
    let width = &custom["width"];
    let smaller =
        send(&world, "any", "POST /custom", &[("content-type", "application/json")], whole(custom.to_string())).await;
    assert_eq!(smaller.status, 200, "{:?}", smaller.body);
    assert!(smaller.body.starts_with(b"\x89PNG") && smaller.body.len() != picture.len());
    for path in ["/one", "/two"] {
        let line = format!("POST {path}?width={width}");
        let answer =
            send(&world, "any", &line, &[("content-type", "image/png"), ("accept", "*/*")], whole(picture.clone()))
                .await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/png"), "{path}");
        assert_eq!(answer.body, smaller.body, "{path}");
    }
    let photo = std::fs::read(repository().join("examples/my_image.jpg")).unwrap();
    let length = photo.len();
    let answer = send(&world, "any", "POST /one", &[("content-type", "image/jpeg")], whole(photo)).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/jpeg"));
    assert!(answer.body.starts_with(b"\xff\xd8") && answer.body.len() < length);
    let refused = send(&world, "any", "POST /one", &[("content-type", "image/jpeg")], whole("no picture")).await;
    assert_eq!(refused.status, 415, "the function's own refusal");
}
