"""Estimates are upper bounds of what processes really need, and not absurdly high ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from facebatch.images.shards import list_shards
from facebatch.pipelines.embedding import embed_memory
from facebatch.storage.settings import S3Spec
from worlds import World

pytestmark = pytest.mark.integration

TESTS = Path(__file__).parent.parent

STATUS = """
from pathlib import Path

def status(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
"""
"""Not getrusage: what it calls the peak of a process counts the memory of the one that started it."""

EMBED = """
import sys
from facebatch.config import EmbedConfig
from facebatch.pipelines import embed
from facebatch.telemetry.progress import open_progress
embed.run(EmbedConfig.model_validate_json(sys.argv[1]), open_progress("none"))
print(status("VmHWM"))
"""


def measured(code: str, *arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", STATUS + code, *arguments], capture_output=True, text=True, check=False, cwd=TESTS
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_worker_that_embeds_stays_within_its_estimate(world: World) -> None:
    config = world.embed(run=world.run.model_copy(update={"workers": 1}))
    estimate = embed_memory(list_shards(config.source, S3Spec()), config.decode)
    peak = measured(EMBED, config.model_dump_json())
    assert estimate / 8 < peak <= estimate
