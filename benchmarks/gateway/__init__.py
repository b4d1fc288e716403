"""How fast orders and news travel: engine, broker, gateways, switch."""
