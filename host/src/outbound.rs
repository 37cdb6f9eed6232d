//! `allowed_outbound_hosts`: what a component may reach. Nothing, unless it says so.

use anyhow::{Context, Result, bail, ensure};
use http::Uri;
use manifest::SERVICE_CHAINING;
use url::{Host, Url};

/// The hosts that one component may reach.
#[derive(Debug, Default)]
pub struct AllowedHosts(Vec<Allowed>);

#[derive(Debug, PartialEq, Eq)]
struct Allowed {
    scheme: String,
    host: Host,
    port: u16,
}

impl AllowedHosts {
    /// Each is `scheme://host:port`, all three in full; or, for another component of the application,
    /// `http://ID.spin.internal`. Spin has patterns, too; they would have to be the very same here, and nothing needs
    /// them.
    pub fn parse(hosts: &[String]) -> Result<Self> {
        hosts
            .iter()
            .map(|host| {
                Allowed::parse(host).with_context(|| format!("allowed_outbound_hosts {host:?}"))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Whether a `redis://` or `rediss://` address may be opened. Spin knows no port by default for
    /// `rediss`, so it must be given.
    pub fn allow_redis(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else {
            return false;
        };
        let host = url.host().map(|host| host.to_owned());
        let port = url.port().or((url.scheme() == "redis").then_some(6379));
        self.allow(url.scheme(), host, port)
    }

    /// Whether a request may be sent.
    pub fn allow_http(&self, uri: &Uri) -> bool {
        let host = uri.host().and_then(|host| Host::parse(host).ok());
        self.allow(
            uri.scheme_str().unwrap_or_default(),
            host,
            Some(uri.port_u16().unwrap_or(80)),
        )
    }

    /// Whether a PostgreSQL server may be reached; an address may name several.
    pub fn allow_postgres(&self, host: &str, port: u16) -> bool {
        self.allow("postgres", Host::parse(host).ok(), Some(port))
    }

    fn allow(&self, scheme: &str, host: Option<Host>, port: Option<u16>) -> bool {
        let (Some(host), Some(port)) = (host, port) else {
            return false;
        };
        // The host of a URL whose scheme browsers do not know is not parsed as an IP address.
        let host = Host::parse(&host.to_string()).unwrap_or(host);
        let asked = Allowed {
            scheme: scheme.to_owned(),
            host,
            port,
        };
        self.0.contains(&asked)
    }
}

impl Allowed {
    fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").context("has no scheme")?;
        if scheme == "http" && rest.ends_with(SERVICE_CHAINING) && !rest.contains('*') {
            return Ok(Self {
                scheme: scheme.to_owned(),
                host: Host::parse(rest)?,
                port: 80,
            });
        }
        let (host, port) = rest.rsplit_once(':').context("has no port")?;
        if !["redis", "rediss", "postgres"].contains(&scheme) {
            bail!("the scheme {scheme:?} is not one that this runtime can open");
        }
        ensure!(
            !host.contains(['*', '{']),
            "patterns are not supported by this runtime"
        );
        Ok(Self {
            scheme: scheme.to_owned(),
            host: Host::parse(host).context("has no valid host")?,
            port: port.parse().context("has no valid port")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str]) -> AllowedHosts {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        AllowedHosts::parse(&hosts).unwrap()
    }

    #[test]
    fn what_is_not_listed_is_not_allowed() {
        let hosts = allowed(&["redis://127.0.0.1:6390", "postgres://db.example:5432"]);
        assert!(hosts.allow_redis("redis://user:secret@127.0.0.1:6390"));
        assert!(!hosts.allow_redis("rediss://user:secret@127.0.0.1:6390"));
        assert!(!hosts.allow_redis("redis://127.0.0.1"));
        assert!(!hosts.allow_redis("redis://localhost:6390"));
        assert!(!hosts.allow_redis("nonsense"));
        assert!(hosts.allow_postgres("db.example", 5432));
        assert!(!hosts.allow_postgres("db.example", 5433));
        assert!(!hosts.allow_postgres("127.0.0.1", 6390));
        assert!(!AllowedHosts::default().allow_postgres("db.example", 5432));
    }

    #[test]
    fn components_are_called_by_name() {
        let hosts = allowed(&["http://a.spin.internal"]);
        let allow = |uri: &str| hosts.allow_http(&uri.parse().unwrap());
        assert!(allow("http://a.spin.internal/x?y"));
        assert!(allow("http://a.spin.internal:80/"));
        for uri in [
            "http://b.spin.internal/",
            "https://a.spin.internal/",
            "http://a.spin.internal:81/",
            "http://spin.internal/",
            "/",
        ] {
            assert!(!allow(uri), "{uri}");
        }
    }

    #[test]
    fn redis_has_a_port_by_default() {
        assert!(allowed(&["redis://cache:6379"]).allow_redis("redis://cache"));
        assert!(!allowed(&["rediss://cache:6379"]).allow_redis("rediss://cache"));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for host in [
            "https://a.spin.internal",
            "http://*.spin.internal",
            "http://a.spin.internal:80",
            "https://example.org:443",
            "redis://*:6379",
            "redis://cache",
            "cache:6379",
        ] {
            assert!(AllowedHosts::parse(&[host.to_owned()]).is_err(), "{host}");
        }
    }
}
