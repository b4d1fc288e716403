"""Real servers for tests: each on a free loopback port, in a folder of its own, ended with the tests."""
