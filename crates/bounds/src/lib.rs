//! Puts bounds on a policy: on the steps that it takes for one ballot, and on the memory that it has.
//!
//! Spin sets no limit to how long a component computes: one that loops for ever holds a thread of the runtime for ever,
//! whoever waits for it or does not. So the code itself counts its steps and traps when there have been too many. A step
//! is the begin of a function, one turn of a loop, or 64 bytes or entries of what is copied or filled at once.
//!
//! The count is a global of a small module that is put before the modules of the component, each of which imports it.
//! It begins anew with each ballot ([`module`]).

#![warn(missing_docs)]

mod component;
mod module;

use anyhow::{Context, Result, ensure};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// The interface that a policy exports.
pub const POLICY: &str = "spinvote:policy/eligibility@0.1.0";

/// The custom section by which a component is known to have bounds; it says which.
const SECTION: &str = "spinvote-bounds";

/// Bytes of a page of memory.
const PAGE: u64 = 64 << 10;

/// What a policy may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For one ballot.
    pub steps: u64,
    /// In MiB, for each memory of the component; of each of its tables as many thousand entries.
    pub memory: u32,
}

impl Bounds {
    fn pages(self) -> u64 {
        u64::from(self.memory) * (1 << 20) / PAGE
    }

    fn entries(self) -> u64 {
        u64::from(self.memory) * 1000
    }
}

/// What can be counted: WebAssembly as all tools make it, without threads, memories of 64 bits and a collector of its
/// own for garbage.
fn features() -> WasmFeatures {
    WasmFeatures::default()
        - WasmFeatures::THREADS
        - WasmFeatures::SHARED_EVERYTHING_THREADS
        - WasmFeatures::MEMORY64
        - WasmFeatures::STACK_SWITCHING
}

/// The policy with these bounds.
///
/// # Errors
///
/// It is not a component that exports [`POLICY`], was given bounds before, uses what cannot be counted, or needs more
/// memory than that from the start.
pub fn bound(policy: &[u8], bounds: Bounds) -> Result<Vec<u8>> {
    ensure!(
        Parser::is_component(policy),
        "it is not a component. A core module is made one by `wasm-tools component new`, \
         or by building it for wasm32-wasip2"
    );
    Validator::new_with_features(features())
        .validate_all(policy)
        .context("it is not a component that can be bounded")?;
    ensure!(!is_bounded(policy), "it has bounds already");
    ensure!(
        exports(policy)?,
        "it does not export {POLICY}. Is it made for the world `policy` of wit/policy.wit?"
    );
    let bounded = component::bound(policy, bounds)?;
    Validator::new_with_features(features() | WasmFeatures::MUTABLE_GLOBAL)
        .validate_all(&bounded)
        .context("the bounds made it invalid, which is a bug here")?;
    Ok(bounded)
}

/// Whether a component has bounds.
pub fn is_bounded(component: &[u8]) -> bool {
    let is_mark = |payload| matches!(payload, Payload::CustomSection(it) if it.name() == SECTION);
    own(component).map_while(Result::ok).any(is_mark)
}

/// Whether it exports the interface.
fn exports(component: &[u8]) -> Result<bool> {
    for payload in own(component) {
        if let Payload::ComponentExportSection(exports) = payload? {
            for export in exports {
                if export?.name.name == POLICY {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// What a component holds itself, rather than the modules and components in it.
fn own(component: &[u8]) -> impl Iterator<Item = wasmparser::Result<Payload<'_>>> {
    let mut depth = 0;
    let payloads = Parser::new(0).parse_all(component);
    payloads.filter(move |payload| {
        match payload {
            Ok(Payload::Version { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth -= 1,
            _ => {}
        }
        depth == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        steps: 1000,
        memory: 1,
    };

    /// A component whose core module is this.
    fn policy(module: &str) -> Vec<u8> {
        let text = format!(
            r#"(component
                (core module $m {module})
                (core instance $i (instantiate $m))
                (func $check (canon lift (core func $i "{POLICY}#check")))
                (instance $policy (export "check" (func $check)))
                (export "{POLICY}" (instance $policy)))"#
        );
        wat::parse_str(text).unwrap()
    }

    const CHECK: &str = r#"(func (export "spinvote:policy/eligibility@0.1.0#check"))"#;

    fn refusal(component: &[u8]) -> String {
        format!("{:#}", bound(component, BOUNDS).unwrap_err())
    }

    #[test]
    fn every_part_of_a_module_survives() {
        let bounded = policy(&format!(
            r#"(type $t (func (param i32) (result i32)))
               (global $g (mut i32) (i32.const 7))
               (global $h i32 (i32.const 8))
               (memory (export "m") 1)
               (table (export "t") 4 funcref)
               (elem (i32.const 0) $f)
               (data $d "abc")
               (func $f (type $t)
                   (loop (br_if 0 (i32.eqz (global.get $g))))
                   (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3))
                   (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))
                   (global.set $g (global.get $h))
                   (call_indirect (type $t) (i32.const 1) (i32.const 0)))
               (export "g" (global $g))
               {CHECK}"#
        ));
        let bounded = bound(&bounded, BOUNDS).unwrap();
        assert!(is_bounded(&bounded));
        assert_eq!(refusal(&bounded), "it has bounds already");
    }

    #[test]
    fn a_module_without_anything_else_is_bounded_too() {
        bound(&policy(CHECK), BOUNDS).unwrap();
    }

    #[test]
    fn what_cannot_be_bounded_is_refused_with_the_reason() {
        let bytes = |text: &str| wat::parse_str(text).unwrap();
        assert!(refusal(b"no").contains("not a component"));
        assert!(refusal(&bytes("(module)")).contains("wasm32-wasip2"));
        assert!(refusal(&bytes("(component)")).contains(POLICY));
        assert!(refusal(&policy(&format!("(memory 17) {CHECK}"))).contains("memory"));
        assert!(refusal(&policy(&format!("(table 1001 funcref) {CHECK}"))).contains("table"));
        let renamed = format!(
            r#"(component
                (core module $m (func (export "check")))
                (core instance $i (instantiate $m))
                (func $check (canon lift (core func $i "check")))
                (instance $policy (export "check" (func $check)))
                (export "{POLICY}" (instance $policy)))"#
        );
        assert!(refusal(&bytes(&renamed)).contains("#check"));
        let nested = format!(
            r#"(component (component (core module))
                (core module $m {CHECK})
                (core instance $i (instantiate $m))
                (func $check (canon lift (core func $i "{POLICY}#check")))
                (instance $policy (export "check" (func $check)))
                (export "{POLICY}" (instance $policy)))"#
        );
        assert!(refusal(&bytes(&nested)).contains("composed"));
    }
}
