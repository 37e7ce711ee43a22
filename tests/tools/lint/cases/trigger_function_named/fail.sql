create function core.tg_item_trim()
returns trigger
language plpgsql
as $$
begin
  return new;
end
$$;
