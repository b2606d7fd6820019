"""Prismatic-style vision-language-action network; every size comes from a configuration."""
