-- Outside providers of tokens, read by core.pre_request. Of no organisation, hence no row level security.

grant select, insert, update, delete on core.identity_provider to migrator;

-- nothing for anybody else: the tools set them up
