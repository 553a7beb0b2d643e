//! A server that only says hello: what HTTP alone costs, with the library that Tollgate takes. It reads each request whole and answers a few
//! bytes of JSON. In a process of its own, so that it is measured like the server.
use crate::failure::{Doing, Outcome};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::Write;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request.into_body().collect().await);
    Ok(Response::new(Full::new(Bytes::from_static(br#"{"hello":"0123456789-1"}"#))))
}

/// Runs until it is ended from outside.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("start a runtime")?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.doing("bind the hello server")?;
        let address = listener.local_addr().doing("read the listener's address")?;
        let announced = writeln!(std::io::stdout(), "{}", serde_json::json!({"listen": address.to_string()}));
        announced.doing("announce the hello server")?;
        loop {
            let (stream, _) = listener.accept().await.doing("accept")?;
            stream.set_nodelay(true).doing("set TCP_NODELAY")?;
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(hello));
            // It ends with its client.
            drop(tokio::task::spawn_local(connection));
        }
    })
}
