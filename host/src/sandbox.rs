//! What the instances of a component share.

use std::{collections::BTreeMap, sync::Arc};

use crate::{chaining::Chaining, outbound::AllowedHosts, postgres::pool::Pools};

/// What the instances of a component may know and reach.
pub struct Sandbox {
    /// The component's variables, their templates filled.
    pub variables: BTreeMap<String, String>,
    pub allowed: AllowedHosts,
    /// Shared by all components, as in Spin.
    pub postgres: Arc<Pools>,
    /// Likewise.
    pub chaining: Chaining,
}
