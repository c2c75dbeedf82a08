"""The only layer that awaits a socket: the one pool, its leases, the state of each event loop."""
