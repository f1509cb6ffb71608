"""fairlead: an order execution engine for Solana that fills every order exactly once."""

__version__ = "0.1.0"
