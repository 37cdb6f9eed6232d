//! Instances that answer more than one request. `wasmtime-wasi-http` hands them out; how long they
//! live is said here, and is what Spin says.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::time::{Sleep, sleep_until};
use wasmtime::{Store, StoreContextMut, component::GuestTaskId};
use wasmtime_wasi_http::{
    WasiHttpView,
    handler::{
        HandlerState, Instance as Worker, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState,
        WorkerStatus,
    },
    p3::bindings::ServicePre,
};

use crate::{app::App, instance::Instance};

const REQUESTS: usize = 128;
const REQUESTS_AT_A_TIME: usize = 16;
const IDLE: Duration = Duration::from_secs(1);

/// Makes the instances of one component.
pub struct Workers {
    app: Arc<App>,
    component: String,
    code: ProxyPre<Instance>,
}

impl Workers {
    pub fn new(app: &Arc<App>, component: &str) -> anyhow::Result<Self> {
        let code = ServicePre::new(app.code(component)?.clone())
            .map_err(anyhow::Error::from)
            .with_context(|| format!("component {component:?} exports no WASI 0.3 HTTP handler"))?;
        Ok(Self {
            app: app.clone(),
            component: component.to_owned(),
            code: ProxyPre::P3(code),
        })
    }
}

impl HandlerState for Workers {
    type StoreData = Instance;
    type WorkerExpiration = Expiration;
    type WorkerState = Limits;

    async fn instantiate(&self) -> wasmtime::Result<Worker<Instance, Expiration, Limits>> {
        let mut store = self
            .app
            .store(&self.component)
            .map_err(wasmtime::Error::from_anyhow)?;
        let proxy = self.code.instantiate_async(&mut store).await?;
        Ok(Worker {
            store,
            proxy,
            view: Instance::http,
            expiration: Expiration(Box::pin(sleep_until(Instant::now().into()))),
            state: Limits,
        })
    }
}

/// When an instance is dropped: after it was idle for a while. A request has all the time it takes, and so has
/// an answer that is still being sent.
pub struct Expiration(Pin<Box<Sleep>>);

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        state: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        if state != WorkerStatus::Idle {
            return Poll::Pending;
        }
        self.0.as_mut().reset((since + IDLE).into());
        self.0.as_mut().poll(cx)
    }
}

/// What an instance takes on.
pub struct Limits;

impl WorkerState for Limits {
    type StoreData = Instance;
    type RequestData = ();

    fn should_accept_request(&self, at_a_time: usize, so_far: usize) -> ShouldAccept {
        if so_far >= REQUESTS {
            ShouldAccept::Never
        } else if at_a_time >= REQUESTS_AT_A_TIME {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Instance>,
        _: (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, _: Store<Instance>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            tracing::error!("an instance failed: {error:?}");
        }
    }
}
