//! hyper serves and fetches HTTP/1.1 with keep-alive over the sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod common;

use std::convert::Infallible;

use common::{pair, server};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let answer = if path == "/large" { vec![b'L'; 300_000] } else { [path.as_bytes(), b" ", &body].concat() };
    Ok(Response::new(Full::new(Bytes::from(answer))))
}

#[tokio::test]
async fn a_hundred_requests_share_one_connection() {
    let (client, server_net) = pair();
    let listener = server_net.listen(server()).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(serve);
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    let stream = client.connect(server()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for number in 0..100 {
        let path = if number % 10 == 9 { "/large".to_owned() } else { format!("/{number}") };
        let body = Full::new(Bytes::from(format!("body {number}")));
        let request = Request::post(&path).header("host", "10.0.0.2").body(body).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        if path == "/large" {
            assert_eq!(text.len(), 300_000);
        } else {
            assert_eq!(text, format!("/{number} body {number}"));
        }
    }
    assert_eq!(client.counters().active_opens, 1);
    drop(sender);
    connection.await.unwrap().unwrap();
}
