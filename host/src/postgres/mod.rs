//! Outbound PostgreSQL, with one pool of connections per address. Without a time limit: that is the
//! guest's business.

#![expect(
    clippy::result_large_err,
    reason = "it is the interface's error, as Spin has it"
)]

pub mod pool;
mod values;

use std::future::ready;

use futures::TryStreamExt;
use wasmtime::{
    bail,
    component::{Accessor, FutureReader, Resource, StreamReader},
};

use crate::{
    bindings::spin::postgres::postgres::{
        Column, ConnectionBuilder, DbError, Error, Host, HostConnection, HostConnectionBuilder,
        HostConnectionBuilderWithStore, HostConnectionWithStore, ParameterValue, QueryError, Row,
        RowSet,
    },
    instance::{Instance, Spin},
};

pub use pool::Connection;

type Result<T> = wasmtime::Result<std::result::Result<T, Error>>;

type Rows = (
    Vec<Column>,
    StreamReader<Row>,
    FutureReader<std::result::Result<(), Error>>,
);

/// Spin has them. The SDK of WASI 0.3 does not use them, nor is anything here to.
const BLOCKING: &str = "this runtime lacks the blocking functions of spin:postgres";
const BUILDER: &str = "this runtime lacks connection-builder of spin:postgres";

impl Host for &mut Instance {}

impl<T: Send> HostConnectionWithStore<T> for Spin {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        address: String,
    ) -> Result<Resource<Connection>> {
        let sandbox = accessor.with(|mut access| access.get().sandbox.clone());
        match sandbox.postgres.connect(&address, &sandbox.allowed).await {
            Ok(connection) => Ok(Ok(
                accessor.with(|mut access| access.get().table.push(connection))?
            )),
            Err(error) => Ok(Err(Error::ConnectionFailed(format!("{error:?}")))),
        }
    }

    /// Gives all rows at once, where Spin streams them.
    async fn query_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Rows> {
        let connection = get(accessor, &connection)?;
        let (rows, end) = match query(&connection, &statement, parameters).await {
            Ok(result) => result,
            Err(error) => return Ok(Err(error)),
        };
        // Spin takes the columns from the first row, and knows none without one.
        let columns = rows.first().map(values::columns).unwrap_or_default();
        let mut converted = Vec::with_capacity(rows.len());
        let end = rows
            .iter()
            .try_for_each(|row| values::row(row).map(|row| converted.push(row)))
            .and(end);
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, converted)?;
            let end = FutureReader::new(&mut access, ready(wasmtime::Result::<_>::Ok(end)))?;
            Ok(Ok((columns, rows, end)))
        })
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64> {
        let connection = get(accessor, &connection)?;
        let parameters = match values::parameters(parameters) {
            Ok(parameters) => parameters,
            Err(error) => return Ok(Err(error)),
        };
        let done = connection.execute_raw(&statement, parameters).await;
        Ok(done.map_err(query_failed))
    }
}

/// All rows, or those up to the first that failed, and how it ended.
async fn query(
    connection: &Connection,
    statement: &str,
    parameters: Vec<ParameterValue>,
) -> std::result::Result<(Vec<tokio_postgres::Row>, std::result::Result<(), Error>), Error> {
    let parameters = values::parameters(parameters)?;
    let stream = connection
        .query_raw(statement, parameters)
        .await
        .map_err(query_failed)?;
    let mut rows = Vec::new();
    let end = stream
        .try_for_each(|row| {
            rows.push(row);
            ready(Ok(()))
        })
        .await
        .map_err(query_failed);
    Ok((rows, end))
}

fn get<T>(
    accessor: &Accessor<T, Spin>,
    connection: &Resource<Connection>,
) -> wasmtime::Result<Connection> {
    let connection = accessor.with(|mut access| access.get().table.get(connection).cloned())?;
    Ok(connection)
}

/// As Spin tells it: what the server said in parts, anything else as text.
fn query_failed(error: tokio_postgres::Error) -> Error {
    let text = format!("{error:?}");
    Error::QueryFailed(match error.as_db_error() {
        None => QueryError::Text(text),
        Some(said) => QueryError::DbError(DbError {
            as_text: text,
            severity: said.severity().to_owned(),
            code: said.code().code().to_owned(),
            message: said.message().to_owned(),
            detail: said.detail().map(str::to_owned),
            extras: Vec::new(),
        }),
    })
}

impl HostConnection for &mut Instance {
    async fn open(&mut self, _: String) -> Result<Resource<Connection>> {
        bail!(BLOCKING)
    }

    async fn query(
        &mut self,
        _: Resource<Connection>,
        _: String,
        _: Vec<ParameterValue>,
    ) -> Result<RowSet> {
        bail!(BLOCKING)
    }

    async fn execute(
        &mut self,
        _: Resource<Connection>,
        _: String,
        _: Vec<ParameterValue>,
    ) -> Result<u64> {
        bail!(BLOCKING)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl HostConnectionBuilder for &mut Instance {
    async fn new(&mut self, _: String) -> wasmtime::Result<Resource<ConnectionBuilder>> {
        bail!(BUILDER)
    }

    async fn set_ca_root(&mut self, _: Resource<ConnectionBuilder>, _: String) -> Result<()> {
        bail!(BUILDER)
    }

    async fn build(&mut self, _: Resource<ConnectionBuilder>) -> Result<Resource<Connection>> {
        bail!(BUILDER)
    }

    async fn drop(&mut self, _: Resource<ConnectionBuilder>) -> wasmtime::Result<()> {
        bail!(BUILDER)
    }
}

impl<T: Send> HostConnectionBuilderWithStore<T> for Spin {
    async fn build_async(
        _: &Accessor<T, Self>,
        _: Resource<ConnectionBuilder>,
    ) -> Result<Resource<Connection>> {
        bail!(BUILDER)
    }
}
