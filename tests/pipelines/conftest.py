"""Fixtures of the pipeline tests."""

from servers.s3 import ceph, moto
from worlds import finished, model, searchable, world

__all__ = ["ceph", "finished", "model", "moto", "searchable", "world"]
