-- Roles of the cluster: who may log in, who may become whom, and how long each may work, wait and idle. Idempotent.

do $$
declare
  v_role record;
begin
  for v_role in
    select *
    from (
      values
        ('owner', false),
        ('anon', false),
        ('partner', false),
        ('member', false),
        ('superadmin', false),
        ('analyst', false),
        ('authenticator', true),
        ('migrator', true),
        ('relay', true),
        ('worker', true),
        ('monitor', true)
    ) as r (name, can_login)
  loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role.name) then
      execute format('create role %I nosuperuser nocreatedb nocreaterole noreplication nobypassrls', v_role.name);
    end if;
    execute format(
      'alter role %I %s %s', v_role.name,
      case when v_role.can_login then 'login' else 'nologin' end,
      case when v_role.can_login then 'noinherit' else 'inherit' end
    );
  end loop;
end
$$;

comment on role owner is 'Owns every schema and everything in it; nobody logs in as it';
comment on role anon is 'A request without a token';
comment on role partner is 'A signed-in EXTERNAL user: sees the rows of its own partner';
comment on role member is 'A signed-in INTERNAL user: sees the rows of its organisation, acts by permission';
comment on role superadmin is 'A SUPER_ADMIN: sees every organisation; the gateway logs each of its requests by user';
comment on role analyst is 'Group of the people who query with SQL; bound to one organisation by core.analyst_login';
comment on role authenticator is 'The login of PostgREST; has no right of its own and becomes the role that a token names';
comment on role migrator is 'The login of the tools: becomes owner to change the schema, sees all rows to load and verify them';
comment on role relay is 'The login of the realtime relay: reads the event feed as the role of each subscriber';
comment on role worker is 'The login of the job worker';
comment on role monitor is 'The login of monitoring: reads statistics and health';

-- One statement a membership: who is made twice with other options would otherwise be left with both.
do $$
declare
  v_grant record;
begin
  for v_grant in
    select *
    from (
      values
        ('anon', 'authenticator'),
        ('partner', 'authenticator'),
        ('member', 'authenticator'),
        ('superadmin', 'authenticator'),
        ('owner', 'migrator'),
        ('anon', 'migrator'),
        ('partner', 'migrator'),
        ('member', 'migrator'),
        ('superadmin', 'migrator'),
        -- the relay reads events as the role of each subscriber
        ('partner', 'relay'),
        ('member', 'relay'),
        ('superadmin', 'relay'),
        -- the worker reads as the user of a webhook what it sends there
        ('member', 'worker')
    ) as g (granted, grantee)
  loop
    if not exists (
      select
      from pg_catalog.pg_auth_members as m
      where m.roleid = v_grant.granted::regrole
        and m.member = v_grant.grantee::regrole
        and m.set_option
        and not m.inherit_option
    ) then
      execute format('grant %I to %I with inherit false, set true', v_grant.granted, v_grant.grantee);
    end if;
  end loop;
end
$$;

-- statement: one SQL statement; lock: one wait for a lock; idle: a transaction that does nothing; transaction: all of it.
-- A session has those of the role that it connected as: PostgREST's has authenticator's, which partner, member and superadmin
-- share; core.pre_request() applies those of anon.
do $$
declare
  v_limit record;
begin
  for v_limit in
    select *
    from (
      values
        ('anon', '5s', '2s', '10s', '10s'),
        ('partner', '30s', '5s', '60s', '45s'),
        ('member', '30s', '5s', '60s', '45s'),
        ('superadmin', '30s', '5s', '60s', '45s'),
        ('authenticator', '30s', '5s', '60s', '45s'),
        ('analyst', '120s', '5s', '60s', '10min'),
        ('relay', '10s', '2s', '10s', '30s'),
        ('worker', '15min', '10s', '60s', '30min'),
        ('monitor', '5s', '1s', '10s', '10s'),
        ('migrator', '0', '5s', '10min', '0'),
        ('owner', '0', '5s', '10min', '0')
    ) as l (name, statement, lock, idle, transaction)
  loop
    execute format('alter role %I set statement_timeout = %L', v_limit.name, v_limit.statement);
    execute format('alter role %I set lock_timeout = %L', v_limit.name, v_limit.lock);
    execute format('alter role %I set idle_in_transaction_session_timeout = %L', v_limit.name, v_limit.idle);
    execute format('alter role %I set transaction_timeout = %L', v_limit.name, v_limit.transaction);
  end loop;
end
$$;

-- An analyst changes nothing, by mistake or otherwise: grants say so too.
alter role analyst set default_transaction_read_only = on;

-- The statements of PostgREST are prepared and come again and again, and the policies let all of them begin with the same
-- index: planned once a connection instead of at each request, which takes longer than running them (decision 9).
alter role authenticator set plan_cache_mode = force_generic_plan;

-- No partition has a check constraint of its own by which it could be left out, but whoever plans reads them all, anew in each
-- connection: a fifth of planning. Pruning is another matter and goes on.
alter role authenticator set constraint_exclusion = off;
