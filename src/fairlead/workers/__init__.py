"""Workers: claim orders, drive each to its end, and let go of nothing that may still land."""
