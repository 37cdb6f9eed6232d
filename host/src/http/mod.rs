//! The HTTP trigger: a request calls the component whose route it matches.

mod headers;
mod reuse;
mod routes;

use std::{future::pending, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use manifest::HttpTrigger;
use tokio::net::TcpListener;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::app::App;
pub use headers::prepare_chained;
pub use routes::Handlers;
use routes::Routes;

/// Paths that Spin answers itself.
const WELL_KNOWN: &str = "/.well-known/spin/";

/// Listens on an address.
pub struct Server {
    listener: TcpListener,
    routes: Arc<Routes>,
}

/// Serves, until that fails.
pub async fn run(server: Option<Server>) -> Result<()> {
    match server {
        Some(server) => server.serve().await,
        None => pending().await,
    }
}

impl Server {
    pub async fn bind(
        app: &Arc<App>,
        triggers: Vec<HttpTrigger>,
        address: SocketAddr,
    ) -> Result<Self> {
        let (routes, handlers) = routes::new(app, triggers)?;
        let routes = Arc::new(routes);
        app.chaining.open(handlers);
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("could not listen on {address}"))?;
        Ok(Self { listener, routes })
    }

    async fn serve(self) -> Result<()> {
        println!("Serving http://{}", self.listener.local_addr()?);
        loop {
            // Like Spin, without TCP_NODELAY.
            let (stream, client) = self.listener.accept().await?;
            let routes = self.routes.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let routes = routes.clone();
                    async move { answer(&routes, request, client).await }
                });
                let served = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!("a connection ended: {error}");
                }
            });
        }
    }
}

/// Like Spin's, an error is no answer: it ends the connection, or the stream of HTTP/2.
async fn answer(
    routes: &Routes,
    mut request: Request<Incoming>,
    client: SocketAddr,
) -> Result<Response<WasiBody>> {
    headers::strip(&mut request);
    let path = request.uri().path().to_owned();
    if let Some(known) = path.strip_prefix(WELL_KNOWN) {
        return Ok(match known {
            "health" => Response::new(
                Full::from("OK")
                    .map_err(|never| match never {})
                    .boxed_unsync(),
            ),
            _ => bare(StatusCode::NOT_FOUND),
        });
    }
    let Some(route) = routes.find(&path) else {
        return Ok(bare(StatusCode::NOT_FOUND));
    };
    headers::set_authority(&mut request)?;
    Ok(match call(&route, request, client).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!("{} {path}: {error:?}", route.value().component);
            bare(StatusCode::INTERNAL_SERVER_ERROR)
        }
    })
}

async fn call(
    route: &routes::Match<'_>,
    mut request: Request<Incoming>,
    client: SocketAddr,
) -> Result<Response<WasiBody>> {
    headers::prepare(&mut request, route, client)?;
    let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
    Ok(route.value().handler.handle((), request).await?)
}

/// An answer of the runtime's own.
pub fn bare(status: StatusCode) -> Response<WasiBody> {
    let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(empty);
    *response.status_mut() = status;
    response
}
