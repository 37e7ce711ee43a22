grant truncate on core.item to migrator;
