"""Fixtures of the pipeline tests."""

from examined import case_world
from repacked import prepared
from reviewing import assigned, case, fresh, review
from servers.s3 import ceph, moto, server
from worlds import finished, model, searchable, world

__all__ = [
    "assigned",
    "case",
    "case_world",
    "ceph",
    "finished",
    "fresh",
    "model",
    "moto",
    "prepared",
    "review",
    "searchable",
    "server",
    "world",
]
