//! Connections to PostgreSQL, pooled per address, as Spin pools them.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use native_tls::TlsConnector;
use postgres_native_tls::MakeTlsConnector;
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode},
};

use crate::outbound::AllowedHosts;

const CONNECTIONS_PER_ADDRESS: usize = 64;

/// A connection that an instance has opened: one of the pool's, for as long as it keeps it.
#[derive(Clone)]
pub struct Connection(Arc<Object>);

impl Deref for Connection {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The pools of the application, by address.
#[derive(Default)]
pub struct Pools(Mutex<HashMap<String, Pool>>);

impl Pools {
    /// A connection to `address`, a connection string of PostgreSQL's, if it is allowed.
    pub async fn connect(&self, address: &str, allowed: &AllowedHosts) -> Result<Connection> {
        let config: Config = address.parse()?;
        check(&config, allowed)?;
        let connection = self.pool(address, config)?.get().await?;
        Ok(Connection(Arc::new(connection)))
    }

    fn pool(&self, address: &str, config: Config) -> Result<Pool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(address) {
            return Ok(pool.clone());
        }
        let manager_config = ManagerConfig {
            recycling_method: RecyclingMethod::Clean,
        };
        let manager = if config.get_ssl_mode() == SslMode::Disable {
            Manager::from_config(config, NoTls, manager_config)
        } else {
            let tls = MakeTlsConnector::new(TlsConnector::new()?);
            Manager::from_config(config, tls, manager_config)
        };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_PER_ADDRESS)
            .build()?;
        pools.insert(address.to_owned(), pool.clone());
        Ok(pool)
    }
}

fn check(config: &Config, allowed: &AllowedHosts) -> Result<()> {
    let ports = config.get_ports();
    for (at, host) in config.get_hosts().iter().enumerate() {
        let Host::Tcp(host) = host else {
            bail!("Unix sockets are not supported on WebAssembly");
        };
        // One port may stand for all hosts.
        let port = match ports {
            [] => 5432,
            [port] => *port,
            ports => *ports.get(at).context("fewer ports than hosts")?,
        };
        ensure!(
            allowed.allow_postgres(host, port),
            "address postgres://{host}:{port} is not permitted"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(address: &str) -> Result<()> {
        let allowed = AllowedHosts::parse(&["postgres://127.0.0.1:5490".to_owned()]).unwrap();
        check(&address.parse().unwrap(), &allowed)
    }

    #[test]
    fn every_host_of_an_address_must_be_allowed() {
        assert!(verdict("host=127.0.0.1 port=5490 user=a").is_ok());
        assert!(verdict("host=127.0.0.1 user=a").is_err());
        assert!(verdict("host=127.0.0.1,10.0.0.1 port=5490 user=a").is_err());
        assert!(verdict("host=/run/postgresql port=5490 user=a").is_err());
    }
}
