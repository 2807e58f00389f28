"""The folder is the registry: `<name>.py` defines the probe `<name>`."""
