"""The processes of a night: the real pipelines."""

from facebatch.config import ReindexConfig
from facebatch.pipelines import embed, index, reindex
from facebatch.pipelines.embed import EmbedReport
from facebatch.pipelines.index import IndexReport
from facebatch.pipelines.reindex_report import ReindexReport
from facebatch.telemetry.progress import SilentProgress
from simulation.jobs import Job, repeat
from simulation.processes import running
from simulation.whole.world import WholeWorld

_QUIET = SilentProgress()


def embed_job(world: WholeWorld, uri: str) -> Job:
    """A driver of embed."""
    source = world.sources[uri]

    def once() -> None:
        report = embed.run(source.config, _QUIET)
        assert isinstance(report, EmbedReport)
        actor = running()
        world.rules.embedded(uri, world.listed[actor, uri], report.snapshot)
        world.rules.told_truly(report.snapshot, report.published, world.issued[actor])

    return lambda: repeat(world, once)


def index_job(world: WholeWorld) -> Job:
    """A driver of index."""

    def once() -> None:
        report = index.run(world.index_config, _QUIET)
        assert isinstance(report, IndexReport)
        if not world.rules.history[report.snapshot - 1].indexed:
            world.rules.report(f"index was told snapshot {report.snapshot}, which has templates without a segment")
        world.rules.told_truly(report.snapshot, report.published, world.issued[running()])

    return lambda: repeat(world, once)


def reindex_job(world: WholeWorld, config: ReindexConfig) -> Job:
    """A driver of reindex."""

    def once() -> None:
        report = reindex.run(config, _QUIET)
        assert isinstance(report, ReindexReport)
        actor = running()
        for source in config.sources:
            world.rules.embedded(source.uri, world.listed[actor, source.uri], report.snapshot)
        world.rules.told_truly(report.snapshot, report.published, world.issued[actor])
        if config.deletions is not None:
            world.rules.carried_out(world.requests[config.deletions], report.snapshot)

    return lambda: repeat(world, once)
