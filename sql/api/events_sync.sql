-- Devices that work without a network: what they may hold, what they sent, what was refused.

create view api.sync_tables
with (security_invoker = true) as
select
  t.name,
  t.sort_order,
  t.view_name,
  t.filter,
  t.since_version,
  t.push_kind,
  t.description
from core.sync_table as t;

comment on view api.sync_tables is
  E'Tables that devices may hold\n'
  'For sync_pull and sync_push; the columns are in /sync_columns.';
comment on column api.sync_tables.name is 'Name of the table on the device';
comment on column api.sync_tables.sort_order is 'Order in which tables are sent and drafts are applied';
comment on column api.sync_tables.view_name is 'View that the rows come from';
comment on column api.sync_tables.filter is 'Which of its rows, v being the view; null: all that the user sees';
comment on column api.sync_tables.since_version is 'Version of the schema of devices in which it appeared';
comment on column api.sync_tables.push_kind is
  'NONE: only read; DRAFT, LINE: written by pushing rows; COMMAND: rows are calls; DISMISS: rows may be removed';
comment on column api.sync_tables.description is 'What it holds';

create view api.sync_columns
with (security_invoker = true) as
select
  c.table_name,
  c.name,
  c.since_version,
  c.is_written,
  case
    when a.atttypid = 'bool'::regtype then 'boolean'
    when a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'timestamptz'::regtype) then 'number'
    else 'string'
  end as type,
  format_type(a.atttypid, null) as source_type
from core.sync_column as c
inner join core.sync_table as t
  on t.name = c.table_name
inner join pg_class as r
  on r.relname = t.view_name
inner join pg_namespace as n
  on n.oid = r.relnamespace
  and n.nspname = 'api'
inner join pg_attribute as a
  on a.attrelid = r.oid
  and a.attname = c.name;

comment on view api.sync_columns is
  E'Columns of the tables that devices may hold\n'
  'Beside id, which every table has.';
comment on column api.sync_columns.table_name is 'Table';
comment on column api.sync_columns.name is 'Name of the column';
comment on column api.sync_columns.since_version is 'Version of the schema of devices in which it appeared';
comment on column api.sync_columns.is_written is 'Whether what a device writes into it counts';
comment on column api.sync_columns.type is
  'Type on the device. Exact numbers and dates are strings there, moments are numbers: milliseconds since 1970';
comment on column api.sync_columns.source_type is 'Type in the database';

create trigger refuse
instead of insert or update or delete on api.sync_columns
for each row
execute function core.tg_view__refuse();

create view api.sync_functions
with (security_invoker = true) as
select
  f.name,
  f.description
from core.sync_function as f;

comment on view api.sync_functions is
  E'Functions that a device may call by a command\n'
  'Their arguments are those of the function itself.';
comment on column api.sync_functions.name is 'Name of the function';
comment on column api.sync_functions.description is 'What it does';

create view api.sync_commands
with (security_invoker = true) as
select
  c.org_id,
  c.id,
  c.device_id,
  c.user_id,
  c.function,
  c.arguments,
  c.sequence,
  c.outcome,
  c.code,
  c.message,
  c.hint,
  c.details,
  c.result,
  c.is_dismissed,
  c.executed_at
from events.sync_command as c;

comment on view api.sync_commands is
  E'Commands that devices of the caller sent\n'
  'Each was executed once.';
comment on column api.sync_commands.org_id is 'Organisation';
comment on column api.sync_commands.id is 'Identifier, made by the device';
comment on column api.sync_commands.device_id is 'Device; null: forgotten';
comment on column api.sync_commands.user_id is 'User';
comment on column api.sync_commands.function is 'Function that was called';
comment on column api.sync_commands.arguments is 'Its arguments, a JSON text';
comment on column api.sync_commands.sequence is 'Place in the order of the device';
comment on column api.sync_commands.outcome is 'DONE or REFUSED';
comment on column api.sync_commands.code is 'Code of the error, if it was refused';
comment on column api.sync_commands.message is 'Why it was refused';
comment on column api.sync_commands.hint is 'What to do';
comment on column api.sync_commands.details is 'What it was about, a JSON text';
comment on column api.sync_commands.result is 'What the function returned';
comment on column api.sync_commands.is_dismissed is 'Whether the device removed it from its list';
comment on column api.sync_commands.executed_at is 'When, by the clock of the server';

create view api.sync_refusals
with (security_invoker = true) as
select
  f.org_id,
  f.id,
  f.device_id,
  f.table_name,
  f.row_id,
  f.code,
  f.message,
  f.hint,
  f.details,
  f.refused_at
from events.sync_refusal as f;

comment on view api.sync_refusals is
  E'Drafts on devices of the caller that were refused\n'
  'A row goes when the draft is taken, given up (sync_reset) or put out of sight by the device.';
comment on column api.sync_refusals.org_id is 'Organisation';
comment on column api.sync_refusals.id is 'Identifier, in order of creation';
comment on column api.sync_refusals.device_id is 'Device';
comment on column api.sync_refusals.table_name is 'Table of the draft';
comment on column api.sync_refusals.row_id is 'Draft';
comment on column api.sync_refusals.code is 'Code of the error';
comment on column api.sync_refusals.message is 'Why it was refused';
comment on column api.sync_refusals.hint is 'What to do';
comment on column api.sync_refusals.details is 'What it was about, a JSON text';
comment on column api.sync_refusals.refused_at is 'When, by the clock of the server';
