"""The campaign engine: events in, commands out, on whatever clock the driver holds."""
