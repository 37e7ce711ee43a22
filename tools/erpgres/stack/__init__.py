"""The running stack: PostgreSQL, PostgREST and the gateway, kept up by supervisord, its state in one directory."""
