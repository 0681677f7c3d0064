"""expire: what is asked to be deleted and what has expired, out of the gallery, as a reindex of no source; and what is
due of past searches, out of their results.
"""

from dataclasses import replace

from facebatch.config import ExpireConfig, ReindexConfig
from facebatch.gallery import snapshots
from facebatch.gallery.deletions import DeletionRequest, read_request
from facebatch.gallery.leases import writing
from facebatch.pipelines import expire_results, expire_searches, expire_verify
from facebatch.pipelines.erasing import erase_from_head
from facebatch.pipelines.expire_finds import ExpireVerification
from facebatch.pipelines.expire_report import ExpirePlan, ExpireReport, describe, report
from facebatch.pipelines.reindex_erase import Wanted, day_of
from facebatch.pipelines.reindex_segments import Builder
from facebatch.runtime.open import open_executor
from facebatch.storage.clock import measure_skew
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.telemetry.progress import Progress


def run(config: ExpireConfig, progress: Progress, *, dry_run: bool = True) -> ExpireReport | ExpirePlan:
    """Tell what would be erased and write nothing; carry it out when `dry_run` is False. Searches come first, so that
    a gallery that may not be published, for its counts, keeps none of them longer; who is erased is taken out of the
    results of searches when the gallery has the order.

    A request that is malformed is refused before anything else; NotFoundError for a gallery without a snapshot.
    """
    request, as_of = _request(config), day_of(config.as_of)
    store = open_store(config.gallery, config.s3)
    head = snapshots.require_head(store)
    if dry_run:
        planned = describe(store, head, Wanted(request, as_of, head.model, config.thorough), config)
        names = expire_results.find(config, head, request)
        return replace(planned, searches=expire_searches.plan(config, as_of), results=names)
    require_put_if_absent(store)
    searches = expire_searches.delete(config, as_of, store, progress)
    with writing(store, "expire") as held, open_executor(config.run) as executor:
        builder = Builder(_without_sources(config), store, executor, progress)
        wanted = Wanted(request, as_of, head.model, config.thorough, measure_skew(store))
        snapshot, published, content = erase_from_head(wanted, builder, held)
    names = expire_results.erase(config, store, snapshot)
    return replace(report(snapshot, published, content), searches=searches, results=names)


def verify(config: ExpireConfig, progress: Progress) -> ExpireVerification:
    """Look in all stored files for what must be gone, and write nothing: `expire_verify`."""
    request, as_of = _request(config), day_of(config.as_of)
    store = open_store(config.gallery, config.s3)
    found = expire_verify.run(store, request, as_of, progress)
    names = expire_results.scan(config, snapshots.require_head(store), request)
    return replace(found, searches=expire_searches.plan(config, as_of), results=names)


def _request(config: ExpireConfig) -> DeletionRequest | None:
    return read_request(config.deletions, config.s3) if config.deletions is not None else None


def _without_sources(config: ExpireConfig) -> ReindexConfig:
    """The part of a reindex that erases, masks, compacts and builds, with these settings."""
    return ReindexConfig(
        gallery=config.gallery,
        sources=(),
        index=config.index,
        compaction=config.compaction,
        run=config.run,
        s3=config.s3,
    )
