"""The worlds that come with the program, one TOML file each; the file says where its figures come from."""
