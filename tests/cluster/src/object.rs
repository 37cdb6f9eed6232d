//! A rendered object, and where in it others are named.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

/// How the names of the other cells' objects end, in the overlay `cells`.
const CELLS: [&str; 2] = ["-two", "-three"];

/// An object of Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(pub Value);

impl Object {
    /// All documents of a YAML stream.
    pub fn parse_all(yaml: &str) -> Result<Vec<Self>> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(yaml).context("what kustomize rendered is not YAML")?;
        Ok(documents
            .into_iter()
            .filter(|document| !document.is_null())
            .map(Self)
            .collect())
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The name that it has, or would have, in the first cell.
    pub fn name_in_first_cell(&self) -> &str {
        let name = self.name();
        let mut without = CELLS.iter().filter_map(|cell| name.strip_suffix(cell));
        without.next().unwrap_or(name)
    }

    /// Its namespace; empty if its kind has none.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// The text at a JSON pointer, or nothing.
    pub fn text(&self, pointer: &str) -> &str {
        text(&self.0, pointer)
    }

    /// The list at a JSON pointer, or an empty one.
    pub fn list(&self, pointer: &str) -> &[Value] {
        list(&self.0, pointer)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(
            formatter,
            "{} {}/{}",
            self.kind(),
            self.namespace(),
            self.name()
        )
    }
}

/// The text at a JSON pointer, or nothing.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The list at a JSON pointer, or an empty one.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Every object, however deep, that is the value of this key; and every element of a list that is.
pub fn values_of<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    collect(value, key, &mut found);
    found
}

fn collect<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| collect(element, key, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == key {
                    match field {
                        Value::Array(elements) => found.extend(elements),
                        other => found.push(other),
                    }
                }
                collect(field, key, found);
            }
        }
        _ => {}
    }
}
