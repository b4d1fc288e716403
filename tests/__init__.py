"""The test suite; a regular package, so that no installed one can shadow it."""
