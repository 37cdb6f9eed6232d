//! Structured logs: one JSON object a line on standard output.
//!
//! `timestamp` (ISO 8601, UTC), `level`, `event` and `component`, then the event's own fields. Who
//! voted, and what a body said, is never among them.

use std::io::Write;
use std::sync::OnceLock;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::settings::{self, InvalidSetting};

/// How much an event matters; the variable `log_level` names the least that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What only a developer wants to see.
    Debug,
    /// What happened as it should.
    Info,
    /// What somebody should look into, and nobody has to at once.
    Warning,
    /// Something was not done.
    Error,
}

/// Whose log it is, and what is written. Until it is known all is written but `debug`.
static LOG: OnceLock<(&'static str, Level)> = OnceLock::new();

/// Opens the log of a component. What happens before is logged without a name.
pub async fn open(component: &'static str) -> Result<(), InvalidSetting> {
    if LOG.get().is_none() {
        let level = match settings::text("log_level")
            .await?
            .trim()
            .to_ascii_lowercase()
            .as_str()
        {
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warning" | "warn" => Level::Warning,
            "error" => Level::Error,
            _ => {
                let problem = "must be one of: debug, info, warning, error";
                return Err(InvalidSetting {
                    name: "log_level",
                    problem,
                });
            }
        };
        LOG.get_or_init(|| (component, level));
    }
    Ok(())
}

/// Writes an event with its fields, a JSON object, at [`Level::Debug`].
pub fn debug(event: &str, fields: Value) {
    write(Level::Debug, event, fields);
}

/// At [`Level::Info`].
pub fn info(event: &str, fields: Value) {
    write(Level::Info, event, fields);
}

/// At [`Level::Warning`].
pub fn warning(event: &str, fields: Value) {
    write(Level::Warning, event, fields);
}

/// At [`Level::Error`].
pub fn error(event: &str, fields: Value) {
    write(Level::Error, event, fields);
}

/// Whether events of this level are written: for those that cost something to put together.
pub fn enabled(level: Level) -> bool {
    level >= LOG.get().map_or(Level::Info, |(_, least)| *least)
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: Level,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'static str>,
    #[serde(flatten)]
    fields: Value,
}

fn write(level: Level, event: &str, fields: Value) {
    if !enabled(level) {
        return;
    }
    let line = Line {
        timestamp: DateTime::<Utc>::from(SystemTime::now())
            .to_rfc3339_opts(SecondsFormat::Micros, true),
        level,
        event,
        component: LOG.get().map(|(component, _)| *component),
        fields,
    };
    // In one piece, so that lines of several instances do not mix. Nobody can be told of a log that
    // cannot be written.
    if let Ok(mut json) = serde_json::to_vec(&line) {
        json.push(b'\n');
        let _ = std::io::stdout().write_all(&json);
    }
}

impl InvalidSetting {
    /// Writes the event `invalid_setting`.
    pub fn log(&self) {
        error(
            "invalid_setting",
            json!({ "variable": self.name, "problem": self.problem }),
        );
    }
}
