"""Registries as the worker meets them: credentials opened, tokens fetched and renewed, tags listed."""
