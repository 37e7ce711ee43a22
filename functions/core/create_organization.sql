-- A new tenant with what every organisation needs.

create or replace function core.create_organization(
  code text,
  name text,
  country_code text,
  currency text,
  time_zone text default 'UTC'
)
returns uuid
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org_id uuid;
begin
  insert into core.organization (code, name, country_code, base_currency, time_zone)
  values (
    create_organization.code, create_organization.name, create_organization.country_code,
    create_organization.currency, create_organization.time_zone
  )
  returning id into v_org_id;

  insert into core.location (org_id, kind, code, name)
  values
    (v_org_id, 'SUPPLIER', 'SUPPLIER', 'Suppliers'),
    (v_org_id, 'CUSTOMER', 'CUSTOMER', 'Customers'),
    (v_org_id, 'PRODUCTION', 'PRODUCTION', 'Production'),
    (v_org_id, 'LOSS', 'LOSS', 'Loss and adjustment');

  perform core.reset_roles(v_org_id);

  insert into core.number_series (org_id, document_type, pattern, reset)
  select v_org_id, p.document_type, p.pattern, p.reset
  from core.number_pattern as p;

  perform core.reset_approval_policies(v_org_id);

  return v_org_id;
end
$$;

comment on function core.create_organization(text, text, text, text, text) is
  'Make an organisation with its four virtual places, a role from each template, a number series for each document type and '
  'the approval policies to begin with; returns its id. Run by the tools.';

grant execute on function core.create_organization(text, text, text, text, text) to migrator;
