"""Runs of full size: a TOML file each, and a dry run of it (`kinevla recipe check`)."""
