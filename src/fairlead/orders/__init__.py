"""Orders: what they are, their lifecycle, and what to do next for each."""
