-- A statement a table; each of those gives one line of JSON: the table, how many rows it has, a digest over all of them in
-- whatever order they come, and the digests of the thousand rows whose keys have the lowest hashes.
select format($$
  with r as not materialized (
    select %2$s as k, encode(sha256(convert_to(row(playbook_row.*)::text, 'UTF8')), 'hex') as h from only %1$s as playbook_row
  ), s as (
    select k, left(h, 16) as h from r where k is not null order by sha256(convert_to(k, 'UTF8')) limit 1000
  )
  select json_build_object('table', %3$L, 'rows', (select count(*) from r),
    'digest', (select coalesce(sum(('x' || left(h, 15))::bit(60)::bigint), 0)::text from r),
    'keyed', %4$L::boolean, 'sample', (select coalesce(json_object_agg(k, h), '{}') from s))::text
$$, t.name, coalesce(t.key, 'null::text'), t.name, t.key is not null)
from (
  select format('%I.%I', n.nspname, c.relname) as name, (
    select case count(*) when 0 then null when 1 then min(format('playbook_row.%I::text', a.attname))
      else format('row(%s)::text', string_agg(format('playbook_row.%I', a.attname), ', ' order by o.place)) end
    from pg_catalog.pg_index i cross join unnest(i.indkey::int2[]) with ordinality o(number, place)
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = o.number
    where i.indrelid = c.oid and i.indisprimary
  ) as key
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname not in ('pg_catalog', 'information_schema', 'playbook')
    and n.nspname !~ '^pg_'
) t order by t.name
