-- Takes over the polls that Redis has and PostgreSQL lacks, or has in an older revision: it was restored to a time
-- before they were made or changed, or made anew. DEFINITIONS stands for what is published.
--
-- Revisions go on from the greatest that was ever published, and every poll gets a new one: what is published is
-- ordered by them, so that else nothing that is changed from now on would be.

create temporary table published on commit drop as
select *
from jsonb_to_recordset(DEFINITIONS) as d (
    poll text, revision bigint, deleted boolean, question text, options text[], opens_ms bigint, closes_ms bigint,
    one_vote_per_voter boolean
);

select setval('poll_revisions', greatest((select last_value from poll_revisions), max(revision))) from published
\g /dev/null

create temporary table newer on commit drop as
select p.*, q.poll is not null as is_there
from published p
left join polls q on q.poll = p.poll
left join deleted_polls d on d.poll = p.poll
where p.revision > coalesce(q.revision, d.revision, 0);

-- One that was deleted had no votes; if it has some, it is another.
delete from polls q
using newer n
where n.poll = q.poll and n.deleted
      and not exists (select from vote_events e where e.poll = q.poll) and (select count(*) from cells) = 1;

insert into polls (poll, question, options, opens_at, closes_at, one_vote_per_voter)
select poll, question, options, to_timestamp(opens_ms / 1000.0), to_timestamp(closes_ms / 1000.0), one_vote_per_voter
from newer
where not deleted
on conflict (poll) do update
set question = excluded.question, options = excluded.options, opens_at = excluded.opens_at,
    closes_at = excluded.closes_at, one_vote_per_voter = excluded.one_vote_per_voter;

update polls set question = question;
update deleted_polls set revision = nextval('poll_revisions');

select poll, case when deleted then 'deleted' when is_there then 'changed' else 'made' end
from newer
where is_there or not deleted
order by poll;
