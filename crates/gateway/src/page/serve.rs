//! HTTP/1.1 for the built-in page, by hyper over our own sockets.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bowline::{Net, TcpListener, TcpStream};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::rt::ReadBufCursor;
use hyper::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;

use super::{Format, render, table};

/// How long a table is shown before it is made anew: it looks at every connection.
const FRESH: Duration = Duration::from_millis(200);

/// A stream that the page can look at while hyper reads and writes it.
#[derive(Clone)]
struct Shared(Arc<TcpStream>);

impl hyper::rt::Read for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let data = ready!(self.0.poll_recv_bytes(cx, buf.remaining()))?;
        buf.put_slice(&data);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.0.poll_write_ready(cx))?,
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.close_write())
    }
}

/// The table, and when it was made.
type Cache = Arc<Mutex<Option<(Instant, Arc<str>)>>>;

/// Serves the page until the network stops.
pub(crate) async fn serve(net: Net, listener: TcpListener, ended: Arc<crate::flows::Shared>) {
    let cache = Cache::default();
    while let Ok((stream, _)) = listener.accept().await {
        let (net, cache, ended) = (net.clone(), Arc::clone(&cache), Arc::clone(&ended));
        tokio::spawn(async move {
            let shared = Shared(Arc::new(stream));
            let (stream, looker) = (shared.clone(), shared.clone());
            let service = hyper::service::service_fn(move |request| {
                let response = answer(&request, &stream.0, &net, &cache);
                async move { Ok::<_, Infallible>(response) }
            });
            if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(shared, service).await {
                tracing::debug!(%error, "the built-in page");
            }
            if let Some(info) = looker.0.info() {
                ended.ended.lock().add_connection(&info, None);
            }
        });
    }
}

fn answer(request: &Request<Incoming>, stream: &TcpStream, net: &Net, cache: &Cache) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let text = "text/plain; charset=utf-8";
    let (status, kind, body) = if !matches!(*request.method(), Method::GET | Method::HEAD) {
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        (StatusCode::METHOD_NOT_ALLOWED, text, "This page can only be read: GET it.\n".to_owned())
    } else if request.uri().path() != "/" {
        (StatusCode::NOT_FOUND, text, "There is one page here: /\n".to_owned())
    } else {
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let format = if accept.contains("text/html") { Format::Html } else { Format::Text };
        let kind = if format == Format::Html { "text/html; charset=utf-8" } else { text };
        (StatusCode::OK, kind, render(stream.info().as_ref(), &fresh_table(net, cache), format))
    };
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    *response.body_mut() = Full::new(body.into());
    response
}

fn fresh_table(net: &Net, cache: &Cache) -> Arc<str> {
    let mut cached = cache.lock();
    match &*cached {
        Some((made, text)) if made.elapsed() < FRESH => Arc::clone(text),
        _ => {
            let text: Arc<str> = table(&net.connections(), &net.listeners()).into();
            *cached = Some((Instant::now(), Arc::clone(&text)));
            text
        }
    }
}
