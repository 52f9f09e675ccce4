"""Other products' APIs over the same use cases: each translates, and decides nothing."""
