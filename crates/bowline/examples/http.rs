//! hyper serves and fetches HTTP/1.1 over two networks joined by a cable in memory: `cargo run -p bowline --example http`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::convert::Infallible;
use std::error::Error;

use bowline::memory;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from(format!("hello from {}\n", request.uri().path())))))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, server) = memory::pair()?;
    let listener = server.listen("10.0.0.2:80".parse()?).await?;
    tokio::spawn(async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            let service = hyper::service::service_fn(hello);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });

    let stream = client.connect("10.0.0.2:80".parse()?).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    for path in ["/one", "/two", "/three"] {
        let request = Request::get(path).header("host", "10.0.0.2").body(Full::<Bytes>::default())?;
        let answer = sender.send_request(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        print!("{}", String::from_utf8_lossy(&body));
    }
    for info in client.connections() {
        println!("{}: {}, {} bytes sent, {} received", info.tuple, info.state, info.bytes_sent, info.bytes_received);
    }
    drop(sender);
    connection.await??;
    Ok(())
}
