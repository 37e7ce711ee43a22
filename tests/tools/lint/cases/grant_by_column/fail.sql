grant update on core.item to member;
