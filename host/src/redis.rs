//! Outbound Redis. Not pooled, and without a time limit: that is the guest's business.

use redis::{
    AsyncCommands, Client, ErrorKind, FromRedisValue, RedisError, RedisWrite, ToRedisArgs, Value,
    aio::MultiplexedConnection,
};
use wasmtime::component::{Accessor, Resource};

use crate::{
    MAX_HOST_BUFFERED_BYTES,
    bindings::spin::redis::redis::{
        Error, Host, HostConnection, HostConnectionWithStore, RedisParameter, RedisResult,
    },
    instance::{Instance, Spin},
};

/// A connection that an instance has opened.
pub struct Connection(MultiplexedConnection);

type Result<T> = wasmtime::Result<std::result::Result<T, Error>>;

impl Host for &mut Instance {}

impl HostConnection for &mut Instance {
    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: Send> HostConnectionWithStore<T> for Spin {
    async fn open(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<Connection>> {
        let allowed =
            accessor.with(|mut access| access.get().sandbox.allowed.allow_redis(&address));
        if !allowed {
            tracing::warn!("a component tried to open a Redis that it may not reach");
            return Ok(Err(Error::InvalidAddress));
        }
        let Ok(client) = Client::open(address) else {
            return Ok(Err(Error::InvalidAddress));
        };
        match client.get_multiplexed_async_connection().await {
            Ok(connection) => {
                let connection = Connection(connection);
                Ok(Ok(
                    accessor.with(|mut access| access.get().table.push(connection))?
                ))
            }
            Err(error) => Ok(Err(other(error))),
        }
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>> {
        let mut connection = get(accessor, &connection)?;
        let reply = redis::cmd(&command)
            .arg(arguments)
            .query_async::<Flat>(&mut connection)
            .await;
        Ok(reply
            .map_err(other)
            .and_then(|flat| limited(flat.0, |flat| flat.iter().map(size).sum())))
    }

    async fn publish(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        channel: String,
        payload: Vec<u8>,
    ) -> Result<()> {
        let mut connection = get(accessor, &connection)?;
        Ok(connection.publish(channel, payload).await.map_err(other))
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Option<Vec<u8>>> {
        let mut connection = get(accessor, &connection)?;
        let value: redis::RedisResult<Option<Vec<u8>>> = connection.get(key).await;
        Ok(value
            .map_err(other)
            .and_then(|value| limited(value, |value| value.as_ref().map_or(0, Vec::len))))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        value: Vec<u8>,
    ) -> Result<()> {
        let mut connection = get(accessor, &connection)?;
        Ok(connection.set(key, value).await.map_err(other))
    }

    async fn incr(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<i64> {
        let mut connection = get(accessor, &connection)?;
        Ok(connection.incr(key, 1).await.map_err(other))
    }

    async fn del(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        keys: Vec<String>,
    ) -> Result<u32> {
        let mut connection = get(accessor, &connection)?;
        Ok(connection.del(keys).await.map_err(other))
    }

    async fn sadd(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32> {
        let mut connection = get(accessor, &connection)?;
        Ok(connection.sadd(key, values).await.map_err(of_set))
    }

    async fn smembers(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Vec<String>> {
        let mut connection = get(accessor, &connection)?;
        let members: redis::RedisResult<Vec<String>> = connection.smembers(key).await;
        Ok(members.map_err(other).and_then(|members| {
            limited(members, |members| {
                members
                    .iter()
                    .map(|member| size_of::<String>() + member.len())
                    .sum()
            })
        }))
    }

    async fn srem(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32> {
        let mut connection = get(accessor, &connection)?;
        Ok(connection.srem(key, values).await.map_err(of_set))
    }
}

fn get<T>(
    accessor: &Accessor<T, Spin>,
    connection: &Resource<Connection>,
) -> wasmtime::Result<MultiplexedConnection> {
    let connection =
        accessor.with(|mut access| access.get().table.get(connection).map(|it| it.0.clone()))?;
    Ok(connection)
}

/// A reply that is not larger than Spin passes on.
fn limited<T>(reply: T, size: impl Fn(&T) -> usize) -> std::result::Result<T, Error> {
    if size_of::<T>() + size(&reply) > MAX_HOST_BUFFERED_BYTES {
        let text = format!("query result exceeds limit of {MAX_HOST_BUFFERED_BYTES} bytes");
        return Err(Error::Other(text));
    }
    Ok(reply)
}

fn size(value: &RedisResult) -> usize {
    let content = match value {
        RedisResult::Nil | RedisResult::Int64(_) => 0,
        RedisResult::Status(text) => text.len(),
        RedisResult::Binary(bytes) => bytes.len(),
    };
    size_of::<RedisResult>() + content
}

fn other(error: RedisError) -> Error {
    Error::Other(error.to_string())
}

fn of_set(error: RedisError) -> Error {
    match error.kind() {
        ErrorKind::TypeError => Error::TypeError,
        _ => other(error),
    }
}

impl ToRedisArgs for RedisParameter {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        match self {
            Self::Int64(number) => number.write_redis_args(out),
            Self::Binary(bytes) => out.write_arg(bytes),
        }
    }
}

/// A reply as Spin gives it: all values in one list, however nested they were. Nested lists leave no
/// trace, and an empty one not even a value.
struct Flat(Vec<RedisResult>);

impl FromRedisValue for Flat {
    fn from_redis_value(value: &Value) -> redis::RedisResult<Self> {
        let mut flat = Vec::new();
        flatten(value, &mut flat)?;
        Ok(Self(flat))
    }
}

fn flatten(value: &Value, flat: &mut Vec<RedisResult>) -> redis::RedisResult<()> {
    flat.push(match value {
        Value::Array(values) | Value::Set(values) => {
            return values.iter().try_for_each(|value| flatten(value, flat));
        }
        Value::Nil => RedisResult::Nil,
        Value::Int(number) => RedisResult::Int64(*number),
        Value::Boolean(truth) => RedisResult::Int64((*truth).into()),
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::SimpleString(text) => RedisResult::Status(text.clone()),
        Value::BulkString(bytes) => RedisResult::Binary(bytes.clone()),
        Value::Double(number) => RedisResult::Binary(number.to_string().into_bytes()),
        other => {
            return Err(RedisError::from((
                ErrorKind::TypeError,
                "Could not convert Redis response",
                format!("{other:?} has no counterpart"),
            )));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_flattened() {
        let reply = Value::Array(vec![
            Value::Int(1),
            Value::Array(vec![Value::BulkString(b"a".to_vec()), Value::Array(vec![])]),
            Value::Okay,
            Value::Nil,
        ]);
        let flat = Flat::from_redis_value(&reply).unwrap().0;
        assert!(matches!(
            flat.as_slice(),
            [
                RedisResult::Int64(1),
                RedisResult::Binary(_),
                RedisResult::Status(_),
                RedisResult::Nil
            ]
        ));
    }

    #[test]
    fn a_map_is_an_error() {
        assert!(Flat::from_redis_value(&Value::Map(vec![])).is_err());
    }
}
