//! The Redis trigger: a message on a channel calls a component.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result, bail};
use futures::{
    StreamExt,
    future::{join_all, pending, select_all},
};
use manifest::RedisTrigger;
use redis::{Client, Msg, aio::PubSub};

use crate::{app::App, bindings::subscriber::SubscriberPre, instance::Instance};

/// A connection to one server, subscribed to channels.
pub struct Subscriber {
    connection: PubSub,
    app: Arc<App>,
    /// The components that a channel calls.
    channels: BTreeMap<String, Vec<Listener>>,
}

struct Listener {
    component: String,
    code: SubscriberPre<Instance>,
}

/// Subscribes to all channels. Redis must be there, as it must for Spin.
pub async fn subscribe(app: &Arc<App>, triggers: Vec<RedisTrigger>) -> Result<Vec<Subscriber>> {
    let mut servers: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for trigger in triggers {
        let code = SubscriberPre::new(app.code(&trigger.component)?.clone())
            .map_err(anyhow::Error::from)
            .with_context(|| {
                format!("component {:?} exports no Redis trigger", trigger.component)
            })?;
        let listener = Listener {
            component: trigger.component,
            code,
        };
        servers
            .entry(app.variables.fill(&trigger.address)?)
            .or_default()
            .entry(app.variables.fill(&trigger.channel)?)
            .or_default()
            .push(listener);
    }
    let mut subscribers = Vec::new();
    for (address, channels) in servers {
        let subscriber = Subscriber::connect(app, address, channels)
            .await
            .context("the Redis trigger could not subscribe")?;
        subscribers.push(subscriber);
    }
    Ok(subscribers)
}

/// Serves all of them, until one loses its server. Our supervisor starts us again.
pub async fn run(subscribers: Vec<Subscriber>) -> Result<()> {
    if subscribers.is_empty() {
        return pending().await;
    }
    let all = subscribers
        .into_iter()
        .map(|subscriber| Box::pin(subscriber.listen()));
    select_all(all).await.0
}

impl Subscriber {
    async fn connect(
        app: &Arc<App>,
        address: String,
        channels: BTreeMap<String, Vec<Listener>>,
    ) -> Result<Self> {
        let mut connection = Client::open(address)?.get_async_pubsub().await?;
        for channel in channels.keys() {
            connection.subscribe(channel).await?;
        }
        Ok(Self {
            connection,
            app: app.clone(),
            channels,
        })
    }

    /// One message at a time: what comes meanwhile waits.
    async fn listen(mut self) -> Result<()> {
        let mut messages = self.connection.on_message();
        while let Some(message) = messages.next().await {
            let listeners = self
                .channels
                .get(message.get_channel_name())
                .map(Vec::as_slice)
                .unwrap_or_default();
            let calls = listeners.iter().map(async |listener| {
                if let Err(error) = listener.call(&self.app, &message).await {
                    tracing::error!("component {:?}: {error:#}", listener.component);
                }
            });
            join_all(calls).await;
        }
        bail!("disconnected from Redis")
    }
}

impl Listener {
    /// Each message gets an instance of its own.
    async fn call(&self, app: &App, message: &Msg) -> Result<()> {
        let mut store = app.store(&self.component)?;
        let guest = self.code.instantiate_async(&mut store).await?;
        let payload = message.get_payload_bytes().to_vec();
        store
            .run_concurrent(async |accessor| {
                guest
                    .spin_redis_inbound_redis()
                    .call_handle_message(accessor, payload)
                    .await
            })
            .await??
            .context("the handler returned an error")
    }
}
