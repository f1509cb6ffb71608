"""How processes wake each other and share events."""
