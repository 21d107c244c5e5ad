"""Utilities (seed 2's layout)."""
