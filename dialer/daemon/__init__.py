"""The engine on the wall clock: driver, service, control socket, logs."""
