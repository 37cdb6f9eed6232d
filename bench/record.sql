-- One call of record_votes for pgbench: as many votes as a batch of the consumer has, with ids like those that vote gives:
-- they begin with the time.
\set call random(1, 1000000000000)
select outcome from record_votes(
    array_fill('default'::text, '{2000}'),
    array(select 'vote-' || lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || substr(md5(:call || '-' || i), 13)
          from generate_series(1, 2000) i),
    array(select (extract(epoch from clock_timestamp()) * 1000)::bigint || '-' || i from generate_series(1, 2000) i),
    array(select case when i % 3 = 0 then 'cats' else 'dogs' end from generate_series(1, 2000) i),
    array_fill(null::text, '{2000}'),
    array_fill(0::bigint, '{2000}'),
    array_fill(true, '{2000}')
);
