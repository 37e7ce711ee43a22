create function core.careless_code(code char(3))
returns text
language sql
stable
return code;
