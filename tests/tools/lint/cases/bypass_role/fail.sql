-- as: superuser
alter role worker bypassrls;
