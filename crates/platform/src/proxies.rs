//! Who asks, behind however many proxies of ours.

use std::net::IpAddr;

use conventions::client;
use http::HeaderMap;

use crate::settings::{self, InvalidSetting};

/// Proxies of ours between clients and us, by the variable `trusted_proxies`.
pub(crate) struct Proxies(u8);

impl Proxies {
    pub(crate) async fn from_settings() -> Result<Self, InvalidSetting> {
        let expected = "must be a whole number from 0 to 255";
        Ok(Self(settings::parsed("trusted_proxies", expected).await?))
    }

    /// The client's address; none if the runtime does not say.
    pub(crate) fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        client::address(headers, self.0.into())
    }
}
