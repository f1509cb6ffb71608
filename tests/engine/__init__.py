"""The engine as its users have it: real processes, real servers, real sockets."""
