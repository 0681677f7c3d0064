"""Publishing under a lease that may end meanwhile."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest

from facebatch.errors import RetryableError
from facebatch.gallery import snapshots
from facebatch.gallery.leases import writing
from facebatch.governance.audit import last_event
from facebatch.pipelines.publishing import put_next
from facebatch.storage import layout
from facebatch.storage.memory import MemoryStore
from gallery.small import Shard, SmallGallery

SHORT = timedelta(seconds=0.3)


class Drowsy(MemoryStore):
    """Nothing happens for a while after an audit event was put, and no lease is renewed from then on."""

    is_asleep = False

    def put(self, key: str, data: bytes) -> None:
        if self.is_asleep and key.startswith(layout.LEASES):
            raise RetryableError(f"{self.uri}/{key}: unavailable")
        super().put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        is_put = super().put_if_absent(key, data)
        if key.startswith(layout.AUDIT):
            self.is_asleep = True
            time.sleep(2 * SHORT.total_seconds())
        return is_put


def test_a_lease_that_ended_while_the_event_was_recorded_publishes_nothing() -> None:
    gallery = SmallGallery(Drowsy(f"drowsy-{uuid4().hex}"))
    head = gallery.embed(Shard("a"))
    following = head.model_copy(update=snapshots.next_number(head))
    with (
        writing(gallery.store, "embed", ttl=SHORT) as held,
        pytest.raises(RetryableError, match="run the command again"),
    ):
        put_next(gallery.store, held, head, following)
    assert snapshots.require_head(gallery.store) == head
    event = last_event(gallery.store)
    assert event is not None
    assert event.resource == f"snapshot:{following.seq}"
