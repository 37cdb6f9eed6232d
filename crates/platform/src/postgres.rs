//! Access to PostgreSQL.

use std::time::Duration;

use spin_sdk::pg::{Connection, Error, PgError, QueryError};

use crate::connection::{Cause, Failure};
use crate::settings::{self, InvalidSetting};
use crate::within::within;

pub use spin_sdk::pg::{Decode, ParameterValue, Row};

const UPSTREAM: &str = "postgres";

/// A PostgreSQL database, by the variables `postgres_*` and `upstream_timeout_ms`.
///
/// No connection is kept: Spin has a pool of 64, and an instance that kept one would withhold it from the others while it
/// idles. Statements that run at the same time have connections of their own.
pub struct Postgres {
    address: String,
    timeout: Duration,
}

impl Postgres {
    /// Reads the variables `postgres_…` and `upstream_timeout_ms`. Connects when it is asked something.
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        let timeout = settings::millis("upstream_timeout_ms").await?;
        let mut address = String::new();
        for (keyword, variable) in [
            ("host", "postgres_host"),
            ("port", "postgres_port"),
            ("dbname", "postgres_database"),
            ("user", "postgres_user"),
            ("password", "postgres_password"),
            ("sslmode", "postgres_sslmode"),
        ] {
            let value = settings::text(variable).await?;
            // An empty password is none.
            if !value.is_empty() {
                address.push_str(&format!("{keyword}='{}' ", escape(&value)));
            }
        }
        // In whole seconds; without it the operating system decides, in minutes.
        let connect_timeout = timeout.as_secs().max(1);
        address.push_str(&format!(
            "connect_timeout={connect_timeout} application_name=spinvote"
        ));
        Ok(Self { address, timeout })
    }

    /// Runs one statement that is safe to repeat, and takes all its rows. It is repeated, once, if the connection breaks.
    pub async fn query(
        &self,
        statement: &str,
        parameters: &[ParameterValue],
    ) -> Result<Vec<Row>, Failure> {
        let run = async || {
            let connection = Connection::open(self.address.clone()).await;
            let result = connection
                .map_err(cause)?
                .query(statement, parameters)
                .await;
            result.map_err(cause)?.collect().await.map_err(cause)
        };
        let running = async {
            match run().await {
                Err(Cause::Broken(_)) => run().await,
                outcome => outcome,
            }
        };
        let outcome = within(self.timeout, running).await;
        outcome
            .unwrap_or(Err(Cause::TimedOut(self.timeout)))
            .map_err(|cause| Failure {
                upstream: UPSTREAM,
                cause,
            })
    }
}

/// A column that the statement promises.
pub fn column<T: Decode>(row: &Row, name: &str) -> Result<T, Failure> {
    row.get(name).ok_or_else(|| unexpected(name))
}

/// A value that the statement cannot have given: a mistake of ours, or a schema that is not ours.
pub fn unexpected(column: &str) -> Failure {
    let cause = Cause::Refused(format!("unexpected value in column {column}"));
    Failure {
        upstream: UPSTREAM,
        cause,
    }
}

/// A value within the quotation marks of a connection string.
fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('\'', r"\'")
}

/// Whether the database said no, or could not be asked.
fn cause(error: Error) -> Cause {
    match error {
        Error::PgError(PgError::ConnectionFailed(text)) => Cause::Broken(text),
        Error::PgError(PgError::QueryFailed(QueryError::Text(text))) => Cause::Broken(text),
        Error::PgError(PgError::QueryFailed(QueryError::DbError(error))) => {
            // 57P01 to 57P03: the server is being shut down, or comes up. 08…: the connection failed.
            let text = format!("{} ({})", error.message, error.code);
            match error.code.as_str() {
                "57P01" | "57P02" | "57P03" => Cause::Broken(text),
                code if code.starts_with("08") => Cause::Broken(text),
                "55006" => Cause::InUse,
                "55000" => Cause::SeveralCells,
                // Data exceptions, integrity constraints, program limits (an index row that is too large).
                code if ["22", "23", "54"]
                    .iter()
                    .any(|class| code.starts_with(class)) =>
                {
                    Cause::Unstorable(error.code)
                }
                _ => Cause::Refused(text),
            }
        }
        // Spelt out: to print them in general takes all that can print a value of the database.
        Error::PgError(
            PgError::BadParameter(text)
            | PgError::ValueConversionFailed(text)
            | PgError::Other(text),
        ) => Cause::Refused(text),
        Error::Decode(text) => Cause::Refused(text),
    }
}
