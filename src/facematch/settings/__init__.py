"""The YAML file as typed values, section by section."""
