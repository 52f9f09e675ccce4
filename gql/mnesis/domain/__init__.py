"""What a memory is and how it may change: pure functions over frozen values. Of libraries it uses a stemmer only."""
