//! Values that an instance makes once.

use std::sync::OnceLock;

/// A value that is made by the first request that needs it and serves the rest of the instance's
/// life: Spin hands an instance up to 128 requests, 16 of them at a time.
pub struct PerInstance<T>(OnceLock<T>);

impl<T> PerInstance<T> {
    /// Empty until the first request.
    #[expect(clippy::new_without_default, reason = "only ever a static")]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value, made by `make` if it is not there yet. Of requests that make it at the same time
    /// the first to finish decides.
    pub async fn get<E>(&self, make: impl AsyncFnOnce() -> Result<T, E>) -> Result<&T, E> {
        match self.0.get() {
            Some(value) => Ok(value),
            None => {
                let value = make().await?;
                Ok(self.0.get_or_init(|| value))
            }
        }
    }
}
