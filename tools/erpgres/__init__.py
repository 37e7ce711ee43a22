"""Tools that start, migrate, test, load and verify Erpgres, an ERP backend that is a PostgreSQL database."""
