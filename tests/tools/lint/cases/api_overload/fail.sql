create function api.partner_hold(id uuid)
returns integer
language sql
stable
return 1;
