"""The running stack: PostgreSQL, PostgREST and the gateway, kept up by supervisord, with all its state in one directory."""
