do $$
begin
  execute format('grant select on %s to member', (
    select i.inhrelid::regclass from pg_inherits as i where i.inhparent = 'wms.document'::regclass limit 1
  ));
end
$$;
