-- Who may act as whom. An analyst's login is somebody's decision, and so is who administers the cluster.
select
  format('%I in %I', m.rolname, g.rolname) as identity,
  'role ' || quote_ident(case when m.rolname = any (current_setting('drift.roles')::text[]) then m.rolname else g.rolname end) as part_of,
  jsonb_build_object(
    'admin', bool_or(a.admin_option),
    'inherit', bool_or(a.inherit_option),
    'set', bool_or(a.set_option),
    '_group', quote_ident(g.rolname),
    '_member', quote_ident(m.rolname),
    '_create', format('grant %I to %I with inherit %s, set %s, admin %s', g.rolname, m.rolname,
      bool_or(a.inherit_option)::text, bool_or(a.set_option)::text, bool_or(a.admin_option)::text),
    '_drop', format('revoke %I from %I', g.rolname, m.rolname)
  ) as properties
from pg_auth_members as a
join pg_roles as g on g.oid = a.roleid
join pg_roles as m on m.oid = a.member
where (g.rolname = any (current_setting('drift.roles')::text[]) or m.rolname = any (current_setting('drift.roles')::text[]))
  and not (g.rolname = 'analyst' and m.rolname <> all (current_setting('drift.roles')::text[]))
  and (m.rolname = any (current_setting('drift.roles')::text[]) or not (m.rolsuper or m.rolcreaterole))
group by g.rolname, m.rolname
