//! Values on their way between a guest and PostgreSQL. Spin knows more types; one that is not here is
//! an error that names it, not a guess.

use std::error::Error as StdError;

use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

use crate::MAX_HOST_BUFFERED_BYTES;
use crate::bindings::spin::postgres::postgres::{
    Column, DbDataType, DbValue, Error, ParameterValue, QueryError, Row,
};

/// Parameters of a statement, for the driver to encode. It checks each against the type that the
/// statement asks for.
pub fn parameters(values: Vec<ParameterValue>) -> Result<Vec<Box<dyn ToSql + Send + Sync>>, Error> {
    values.into_iter().map(parameter).collect()
}

fn parameter(value: ParameterValue) -> Result<Box<dyn ToSql + Send + Sync>, Error> {
    Ok(match value {
        ParameterValue::Boolean(value) => Box::new(value),
        ParameterValue::Int16(value) => Box::new(value),
        ParameterValue::Int32(value) => Box::new(value),
        ParameterValue::Int64(value) => Box::new(value),
        ParameterValue::Floating64(value) => Box::new(value),
        ParameterValue::Str(value) => Box::new(value),
        ParameterValue::Binary(value) => Box::new(value),
        ParameterValue::ArrayInt32(value) => Box::new(value),
        ParameterValue::ArrayInt64(value) => Box::new(value),
        ParameterValue::ArrayStr(value) => Box::new(value),
        ParameterValue::DbNull => Box::new(Null),
        other => {
            return Err(Error::BadParameter(format!(
                "this runtime cannot pass {other:?}"
            )));
        }
    })
}

/// NULL, whatever the type.
#[derive(Debug)]
struct Null;

impl ToSql for Null {
    fn to_sql(
        &self,
        _: &Type,
        _: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        Ok(IsNull::Yes)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The columns of a row.
pub fn columns(row: &tokio_postgres::Row) -> Vec<Column> {
    row.columns()
        .iter()
        .map(|column| Column {
            name: column.name().to_owned(),
            data_type: data_type(column.type_()),
        })
        .collect()
}

fn data_type(sql: &Type) -> DbDataType {
    match *sql {
        Type::BOOL => DbDataType::Boolean,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DbDataType::Str,
        Type::BYTEA => DbDataType::Binary,
        Type::INT4_ARRAY => DbDataType::ArrayInt32,
        Type::INT8_ARRAY => DbDataType::ArrayInt64,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => DbDataType::ArrayStr,
        _ => DbDataType::Other(sql.name().to_owned()),
    }
}

/// The values of a row, if it is not larger than Spin passes on.
pub fn row(row: &tokio_postgres::Row) -> Result<Row, Error> {
    let failed = |text| Error::QueryFailed(QueryError::Text(text));
    let values: Row = (0..row.len())
        .map(|index| value(row, index).map_err(failed))
        .collect::<Result<_, _>>()?;
    if values.iter().map(size).sum::<usize>() > MAX_HOST_BUFFERED_BYTES {
        return Err(failed(format!(
            "query result exceeds limit of {MAX_HOST_BUFFERED_BYTES} bytes"
        )));
    }
    Ok(values)
}

fn size(value: &DbValue) -> usize {
    let content = match value {
        DbValue::Str(text) => text.len(),
        DbValue::Binary(bytes) => bytes.len(),
        DbValue::ArrayInt32(values) => size_of_val(values.as_slice()),
        DbValue::ArrayInt64(values) => size_of_val(values.as_slice()),
        DbValue::ArrayStr(texts) => {
            let lengths = texts.iter().flatten().map(String::len);
            size_of_val(texts.as_slice()) + lengths.sum::<usize>()
        }
        _ => 0,
    };
    size_of::<DbValue>() + content
}

fn value(row: &tokio_postgres::Row, index: usize) -> Result<DbValue, String> {
    fn of<'a, T: FromSql<'a>>(
        row: &'a tokio_postgres::Row,
        index: usize,
        wrap: impl Fn(T) -> DbValue,
    ) -> Result<DbValue, String> {
        row.try_get(index)
            .map(|value: Option<T>| value.map_or(DbValue::DbNull, wrap))
            .map_err(|error| format!("{error:?}"))
    }

    match data_type(row.columns()[index].type_()) {
        DbDataType::Boolean => of(row, index, DbValue::Boolean),
        DbDataType::Int16 => of(row, index, DbValue::Int16),
        DbDataType::Int32 => of(row, index, DbValue::Int32),
        DbDataType::Int64 => of(row, index, DbValue::Int64),
        DbDataType::Floating64 => of(row, index, DbValue::Floating64),
        DbDataType::Str => of(row, index, DbValue::Str),
        DbDataType::Binary => of(row, index, DbValue::Binary),
        DbDataType::ArrayInt32 => of(row, index, DbValue::ArrayInt32),
        DbDataType::ArrayInt64 => of(row, index, DbValue::ArrayInt64),
        DbDataType::ArrayStr => of(row, index, DbValue::ArrayStr),
        other => Err(format!("this runtime cannot read a column of {other:?}")),
    }
}
