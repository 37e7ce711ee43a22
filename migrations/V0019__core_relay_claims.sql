-- domain: core
-- why: the relay reads events as the role and with the claims of each subscriber
-- locks: none (grants)
-- breaking: no

-- The relay acts for subscribers of these roles, whose rights on the tables behind the views it needs nothing of its own for.
grant usage on schema events to analyst, partner, member, superadmin;
