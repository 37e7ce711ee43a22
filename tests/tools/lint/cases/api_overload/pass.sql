create function api.partner_praise(id uuid)
returns integer
language sql
stable
return 1;
