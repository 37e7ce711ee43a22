"""The relay: pushes the events of the feed to browsers and other clients, by WebSocket and by server-sent events.

It polls events.event, reads it under the claims of those it serves, and keeps nothing: a client that comes back with
the cursor it had last goes on where it stopped, whichever process it meets. No business transaction waits for it.
"""
