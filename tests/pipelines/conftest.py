"""Fixtures of the pipeline tests."""

from worlds import finished, model, searchable, world

__all__ = ["finished", "model", "searchable", "world"]
