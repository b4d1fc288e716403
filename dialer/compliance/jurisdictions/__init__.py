"""The built-in rulesets, one TOML file each; `dialer.config.rulesets` reads them. None of it is legal advice."""
