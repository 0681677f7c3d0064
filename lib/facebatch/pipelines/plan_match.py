"""plan match: what a bulk match comes to, from numbers alone or for a planned search. Nothing is run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from facebatch.errors import PlanError
from facebatch.images.records import ImageShard
from facebatch.match.cells import block_size, shape_of
from facebatch.match.cost import WORK_PER_SECOND, Cluster
from facebatch.match.memory import cell_memory, scan_path
from facebatch.match.planning import Shape, probe_block, schedule
from facebatch.pipelines.forecast import MatchForecast, Means, forecast, words_of_count
from facebatch.pipelines.search import MatchPlan
from facebatch.runtime.capacity import available_cpus
from facebatch.spec import Spec

BANDWIDTH = 300e6
"""Bytes a machine reads from object storage in a second: taken, not measured."""
REQUEST_SECONDS = 0.03
"""Until object storage answers a small request: taken, not measured."""
START_SECONDS = 8.0
"""Ray and its workers: 6 to 7 seconds on one machine, and the kernels from their cache."""
MOST_SEGMENTS = 100_000
"""For which a plan is made."""
IMAGES_PER_SHARD = 256
"""`SourceSpec.images_per_shard`, unless it was set."""
IMAGE_BYTES = 64 << 10
"""Taken for an image in a tar or Parquet shard, which does not tell how many it holds before it is read."""


class PlanMatchConfig(Spec):
    """A search that may never be run, and what to run it on."""

    probes: int = Field(ge=1)
    """Probe templates."""
    gallery: int = Field(ge=1)
    """Gallery templates."""
    dim: int = Field(default=512, ge=1, le=65_536)
    """Dimensions of a template."""
    length: int = Field(default=50, ge=1, le=10_000)
    """Longest candidate list per probe."""
    probe_block: int | None = Field(default=None, ge=1)
    """Probes per block; absent = planned."""
    segment_rows: int = Field(default=1_000_000, ge=1)
    """Templates per segment."""
    cores: int = Field(default=8, ge=1)
    """Workers; each has one core."""
    cores_per_machine: int = Field(default=8, ge=1)
    """Workers that share a machine, its disk and its network."""
    path: Literal["integer", "portable", "plain"] = "integer"
    """How cells are scanned: integer needs AVX-512 VNNI or AVX-VNNI."""
    speed: float | None = Field(default=None, gt=0)
    """Comparisons of one core in a second; absent = as measured for the path, in proportion to `dim`."""
    bandwidth: float = Field(default=BANDWIDTH, gt=0)
    """Bytes that a machine reads from object storage in a second."""
    request_ms: float = Field(default=1000 * REQUEST_SECONDS, ge=0)
    """Milliseconds until object storage answers a small request."""


@dataclass(frozen=True, slots=True)
class MatchPreview:
    """A search as it is planned: no probe has been read."""

    search: str
    """Id of the search."""
    snapshot: int
    gallery_templates: int
    probe_shards: dict[str, int]
    """Shards, those to embed, bytes to read, memory to embed them."""
    probes: int
    """Probe templates expected: one per listed image, and one per IMAGE_BYTES of shards that do not tell."""
    forecast: MatchForecast

    def summary(self) -> dict[str, str]:
        """The same for people."""
        shards = ", ".join(
            f"{name.replace('_', ' ')} {words_of_count(number)}" for name, number in self.probe_shards.items()
        )
        return {
            "search": self.search,
            "snapshot": str(self.snapshot),
            "gallery templates": words_of_count(self.gallery_templates),
            "probes": f"{words_of_count(self.probes)} expected; {shards}",
            **self.forecast.summary(),
        }


def run(config: PlanMatchConfig) -> MatchForecast:
    """The estimate for numbers alone. PlanError for more than MOST_SEGMENTS segments."""
    whole, rest = divmod(config.gallery, config.segment_rows)
    if whole > MOST_SEGMENTS:
        raise PlanError(f"{whole} segments of {config.segment_rows} templates are no plan; use a larger --segment-rows")
    segments = (config.segment_rows,) * whole + ((rest,) if rest else ())
    shape = Shape(config.probes, segments, config.dim, config.length)
    plan = schedule(shape, config.probe_block or probe_block(shape))
    cluster = Cluster(
        cores=config.cores,
        cores_per_machine=config.cores_per_machine,
        processes_per_machine=config.cores_per_machine,
        work_per_second=WORK_PER_SECOND[config.path] if config.speed is None else config.speed * config.dim,
        bandwidth=config.bandwidth,
        request_seconds=config.request_ms / 1000,
        start_seconds=START_SECONDS,
    )
    memory = cell_memory(shape, plan.block, config.path)
    means = Means(cluster, config.path, config.speed is None)
    return forecast(plan, memory, means, math.ceil(config.probes / IMAGES_PER_SHARD))


def preview(planned: MatchPlan) -> MatchPreview:
    """The estimate for a planned search. `run.workers` 0 is taken as the cores of this machine."""
    config = planned.config
    probes = expected_probes(planned.probes.shards)
    shape = shape_of(planned.snapshot, config.match, probes)
    plan = schedule(shape, block_size(config.match, shape))
    path = scan_path(config.match, shape, plan.block)
    is_distant = planned.grant.binding.gallery.startswith("s3://")
    cluster = Cluster(
        cores=config.run.workers or available_cpus(),
        cores_per_machine=available_cpus(),
        processes_per_machine=available_cpus() if config.run.executor == "ray" else 1,
        work_per_second=WORK_PER_SECOND[path],
        bandwidth=BANDWIDTH if is_distant else math.inf,
        request_seconds=REQUEST_SECONDS if is_distant else 0.0,
        start_seconds=START_SECONDS,
    )
    memory = cell_memory(shape, plan.block, path, config.match.gallery_block)
    return MatchPreview(
        search=planned.search_id,
        snapshot=planned.snapshot.seq,
        gallery_templates=planned.snapshot.templates,
        probe_shards=planned.probes.describe(),
        probes=probes,
        forecast=forecast(plan, memory, Means(cluster, path), len(planned.probes.shards)),
    )


def expected_probes(shards: Sequence[ImageShard]) -> int:
    """How many probe templates the shards will give, from their listing alone, so that it never changes."""
    listed = sum(len(shard.members) for shard in shards)
    return listed + sum(math.ceil(shard.size / IMAGE_BYTES) for shard in shards if shard.kind != "objects")
