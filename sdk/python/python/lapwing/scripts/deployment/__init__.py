"""Seed 0's package."""
