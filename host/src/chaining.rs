//! How components of the application call each other: by HTTP, without a network.

use std::sync::{Arc, OnceLock};

use http::{Request, Response, StatusCode};
use manifest::SERVICE_CHAINING;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::http::{Handlers, bare, prepare_chained};

/// What answers for each component, from when the application serves on.
#[derive(Clone, Default)]
pub struct Chaining(Arc<OnceLock<Handlers>>);

impl Chaining {
    pub fn open(&self, handlers: Handlers) {
        // Only the first server ever opens it.
        let _ = self.0.set(handlers);
    }

    /// Calls the component whose id the host of a request names. Like Spin, one that fails answers 500.
    pub async fn call(&self, mut request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
        let host = request.uri().host().unwrap_or_default();
        let id = host.strip_suffix(SERVICE_CHAINING).unwrap_or_default();
        let handler = self.0.get().and_then(|handlers| handlers.get(id));
        let handler = handler.ok_or(Error::DestinationNotFound)?.clone();
        let called = async {
            prepare_chained(&mut request)?;
            anyhow::Ok(handler.handle((), request).await?)
        };
        Ok(called.await.unwrap_or_else(|error| {
            tracing::error!("a call of another component: {error:?}");
            bare(StatusCode::INTERNAL_SERVER_ERROR)
        }))
    }
}
