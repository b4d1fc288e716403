"""Settings and campaign files: TOML in, frozen policies out."""
