-- For the relay: may these subscribers (still) get events, and which of them are alike?

create or replace function events.admit_subscribers(claims jsonb[])
returns table (number bigint, audience text, horizon xid8, refusal jsonb)
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb;
  v_status text;
begin
  -- lint: allow exception_in_loop: it only reads: a subtransaction that writes nothing gets no number
  for number, v_claims in
    select c.n, c.claims from unnest(admit_subscribers.claims) with ordinality as c (claims, n)
  loop
    audience := null;
    refusal := null;
    begin
      -- The role is the session's to take: relay is a member of these and of no other.
      perform
        set_config('request.jwt.claims', v_claims::text, true),
        set_config('erpgres.org_id', '', true),
        set_config('request.path', '/realtime', true),
        set_config('role', v_claims ->> 'role', true);
      perform core.pre_request();
      select events.audience_key(), events.horizon() into audience, horizon;
    exception
      when sqlstate 'PGRST' then
        get stacked diagnostics v_status = pg_exception_detail;
        refusal := sqlerrm::jsonb || jsonb_build_object('status', v_status::jsonb -> 'status');
      when others then  -- one subscriber's trouble is not that of the others; the log has what he is not told
        raise warning 'events.admit_subscribers: %', sqlerrm using errcode = sqlstate;
        refusal := jsonb_build_object('code', sqlstate, 'message', 'The subscription failed.', 'status', 500);
    end;
    perform
      set_config('role', 'none', true),
      set_config('request.jwt.claims', '', true),
      set_config('erpgres.org_id', '', true);
    return next;
  end loop;
end
$$;

comment on function events.admit_subscribers(jsonb[]) is
  'Does for each subscriber, given by the claims of a verified token, what PostgREST does for a request: becomes its role '
  'and runs core.pre_request(). Returns what decides which events it sees (events.audience_key) and where the feed stands, '
  'or the refusal: code, message, details, hint, status. The claims are believed of relay alone (core.claims).';

grant execute on function events.admit_subscribers(jsonb[]) to relay;
