"""How fast the store is: imports, the journal, claims and restarts, beside what the machine does by hand."""
