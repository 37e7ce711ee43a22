grant delete on core.item to migrator;
