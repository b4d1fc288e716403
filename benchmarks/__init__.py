"""What `make bench` runs. Figures depend on the machine: compare only what was measured in the same run."""
