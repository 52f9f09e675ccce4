"""Other products' REST dialects over the same use cases: each translates, and decides nothing."""
