"""The running stack: PostgreSQL, PostgREST, relay and gateway, kept up by supervisord, its state in one directory."""
