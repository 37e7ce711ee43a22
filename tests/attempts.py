"""Many calls of functions of the API in one session of somebody, each taken back, with what each is answered.

For tests that ask hundreds of combinations: what a request adds to it, the gateway and PostgREST, is asked of a few.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import jwt
import psycopg

Call = tuple[str, dict[str, Any]]
TRY = """
do $$
declare
  v_call jsonb;
  v_arguments text;
  v_row jsonb;
  v_message text;
  v_detail text;
  v_found jsonb := '[]';
begin
  for v_call in select jsonb_array_elements(current_setting('attempts.calls')::jsonb) loop
    begin
      select string_agg(format('%I => %L', key, value), ', ') into v_arguments from jsonb_each_text(v_call -> 1);
      execute format('select to_jsonb(r) from api.%I(%s) as r', v_call ->> 0, v_arguments) into v_row;
      raise exception using errcode = 'TB000';
    exception
      when sqlstate 'TB000' then v_found := v_found || jsonb_build_array(jsonb_build_array(200, v_row));
      when sqlstate 'PGRST' then
        get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
        v_found := v_found || jsonb_build_array(jsonb_build_array(v_detail::jsonb -> 'status', v_message::jsonb));
      when others then
        v_found := v_found || jsonb_build_array(
          jsonb_build_array(500, jsonb_build_object('code', sqlstate, 'message', sqlerrm))
        );
    end;
  end loop;
  perform set_config('attempts.found', v_found::text, true);
end
$$
"""


def claims_of(client: httpx.Client) -> dict[str, Any]:
    """The claims of the token that a client sends, whose session is then the same."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    return dict(jwt.decode(token, options={"verify_signature": False}))


def attempt(
    connection: psycopg.Connection[Any], claims: dict[str, Any], calls: Sequence[Call]
) -> list[tuple[int, dict[str, Any]]]:
    """Status and body of each call, by who has these claims, on a connection as `authenticator`, as PostgREST's are."""
    connection.execute(
        "select set_config('request.jwt.claims', %s, true), set_config('request.method', 'POST', true), "
        "set_config('request.path', '/rpc/attempts', true), set_config('request.headers', '{}', true), "
        "set_config('attempts.calls', %s, true), set_config('role', %s, true)",
        [json.dumps(claims), json.dumps(calls), claims["role"]],
    )
    connection.execute("select core.pre_request()")
    connection.execute(TRY)
    row = connection.execute("select current_setting('attempts.found')").fetchone()
    connection.rollback()
    assert row is not None
    return [(int(status), body) for status, body in json.loads(row[0])]
