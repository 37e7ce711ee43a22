grant delete on core.partner to member;
