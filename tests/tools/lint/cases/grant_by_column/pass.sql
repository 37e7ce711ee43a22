grant update (name) on core.item to member;
