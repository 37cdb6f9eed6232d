//! What belongs to one instance of a component, and dies with it.

use std::sync::Arc;

use http::{Request, Response};
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::{bindings::spin::variables::variables, sandbox::Sandbox};

/// The data of an instance's store.
pub struct Instance {
    /// The connections that it has opened, among others.
    pub table: ResourceTable,
    /// What its component may do.
    pub sandbox: Arc<Sandbox>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Calls,
}

impl Instance {
    pub fn new(sandbox: Arc<Sandbox>) -> Self {
        Self {
            table: ResourceTable::new(),
            hooks: Calls(sandbox.clone()),
            sandbox,
            // No files, no sockets, no environment: a component's logs are all that leaves this way.
            wasi: WasiCtxBuilder::new()
                .inherit_stdout()
                .inherit_stderr()
                .build(),
            http: WasiHttpCtx::new(),
        }
    }
}

/// How the functions that we define find an instance's data.
pub struct Spin;

impl HasData for Spin {
    type Data<'a> = &'a mut Instance;
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

/// Requests that a component sends: to another component of the application, if it may, and nowhere else.
struct Calls(Arc<Sandbox>);

type Sent = (
    Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

impl WasiHttpHooks for Calls {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _fut: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let sandbox = self.0.clone();
        Box::new(async move {
            if !sandbox.allowed.allow_http(request.uri()) {
                return Err(Error::HttpRequestDenied);
            }
            let response = sandbox.chaining.call(request).await?;
            let sent: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
            Ok((response, sent))
        })
    }
}

impl variables::Host for &mut Instance {}

impl<T: Send> variables::HostWithStore<T> for Spin {
    async fn get(
        accessor: &wasmtime::component::Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, variables::Error>> {
        Ok(accessor.with(|mut access| {
            let variables = &access.get().sandbox.variables;
            variables
                .get(&name)
                .cloned()
                .ok_or(variables::Error::Undefined(name))
        }))
    }
}
