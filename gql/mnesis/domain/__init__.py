"""What a memory is and how it may change: pure functions over frozen values, standard library only."""
