-- Keys that tokens are signed with: read by core.sign_token alone. Of no organisation, hence no row level security.

grant select, insert, update, delete on core.signing_key to migrator;

-- nothing for anybody else: who reads a key can be anybody
