-- as: superuser
alter role member set default_transaction_isolation = 'read committed';
