//! How cargo is called.

use std::process::Command;

/// Cargo, at the root of the checkout.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(stack::checkout::root()).args(arguments);
    command
}
