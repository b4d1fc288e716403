"""What must survive a restart: tables, journal, lead store."""
