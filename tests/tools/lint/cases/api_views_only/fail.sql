create table api.careless_items (id uuid);
