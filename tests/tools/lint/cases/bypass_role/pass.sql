-- as: superuser
alter role worker nobypassrls;
