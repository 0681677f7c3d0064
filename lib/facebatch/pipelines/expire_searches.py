"""The part of expire that is about past searches: what of their results is due, and its deletion."""

import logging
from datetime import UTC, date, datetime, timedelta
from functools import partial

from facebatch.config import ExpireConfig
from facebatch.errors import NotFoundError, StopError
from facebatch.gallery.leases import collecting
from facebatch.pipelines import retention_delete, retention_plan
from facebatch.pipelines.auditing import record_deletion
from facebatch.pipelines.retention_delete import RetentionReport
from facebatch.pipelines.retention_plan import RetentionPlan, moment_of
from facebatch.pipelines.retention_survey import Results, require_known
from facebatch.storage.clock import TRUSTED, measure_skew, say
from facebatch.storage.open import open_store
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

_LOG = logging.getLogger(__name__)


def plan(config: ExpireConfig, as_of: date) -> RetentionPlan | None:
    """What is due by the end of that day; None where no results are configured. Writes nothing."""
    results = _results(config)
    if results is None:
        return None
    return retention_plan.run(results, config.retention, moment_of(as_of, datetime.now(UTC)))


def delete(config: ExpireConfig, as_of: date, gallery: ObjectStore, progress: Progress) -> RetentionReport | None:
    """Delete what is due by the end of that day, by the clock of the store; None where no results are configured.

    StopError, and nothing is deleted, where this machine's clock is further off than expiry trusts. RetryableError
    where another run is at work on the same results: of two, one could delete what the other gives back for a hold.
    """
    results = _results(config)
    if results is None:
        return None
    require_put_if_absent(results.store)
    skew = measure_skew(results.store) or timedelta()
    if abs(skew) > TRUSTED:
        raise StopError(
            f"{results.store.uri}: nothing of its searches is deleted, since {say(skew)}, then run the same command "
            "again"
        )
    moment = moment_of(as_of, datetime.now(UTC) - skew)
    record = partial(record_deletion, gallery)
    with collecting(results.store, "expire") as held:
        return retention_delete.run(results, config.retention, moment, record, progress, held.require)


def _results(config: ExpireConfig) -> Results | None:
    """A root without a search is told and no error: a schedule begins before the first search, and has a gallery to
    see to.
    """
    if config.results is None:
        return None
    results = Results(open_store(config.results, config.s3), config.s3)
    try:
        require_known(results)
    except NotFoundError as error:
        _LOG.warning("%s", error)
    return results
