create function core.tg_item__trim()
returns trigger
language plpgsql
as $$
begin
  return new;
end
$$;
