"""What tokens come from: a module for each way. `gateway_stream.auth.source` says what a source is."""
