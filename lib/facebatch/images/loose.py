"""Images that are objects of their own, fetched some at a time and given in the order of the shard."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from facebatch.errors import NotFoundError, StaleError
from facebatch.images.fields import FactError, facts, with_facts
from facebatch.images.records import EncodedImage, ImageShard, Member, Reject
from facebatch.images.source import SourceSpec
from facebatch.schemas import Outcome
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

READERS = 8
"""Objects in flight; up to this many encoded images wait in memory."""


def read_loose(shard: ImageShard, source: SourceSpec, s3: S3Spec) -> Iterator[EncodedImage | Reject]:
    """One result per member.

    StaleError when an object was replaced since it was listed. An object replaced by as many other bytes between its
    HEAD and its GET goes unnoticed here; the next listing sees its new etag and the shard is embedded anew.
    """
    root = shard.uri.removesuffix(f"#{shard.members[0].image_id}") if shard.members else ""
    pending: deque[Future[EncodedImage | Reject]] = deque()
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="loose")
    try:
        for member in shard.members:
            if len(pending) == READERS:
                yield pending.popleft().result()
            store, key = _place(member.uri, root, s3)
            pending.append(pool.submit(_read, store, key, member, source))
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _place(uri: str, root: str, s3: S3Spec) -> tuple[ObjectStore, str]:
    """The store and key of an object; below the source's own root where it lies there, so that links inside it hold."""
    if root and uri.startswith(f"{root}/"):
        return open_store(root, s3), uri.removeprefix(f"{root}/")
    folder, key = split_object(uri)
    return open_store(folder, s3), key


def _read(store: ObjectStore, key: str, member: Member, source: SourceSpec) -> EncodedImage | Reject:
    name = member.image_id
    try:
        known = facts(member.fields, source.fields)
    except FactError as error:
        return Reject(name, name, Outcome.METADATA_ERROR, str(error))
    if not member.etag:
        return Reject(name, name, Outcome.MISSING, "there was no such object when the source was listed")
    try:
        found = store.head(key)
        if found.etag != member.etag:
            raise _changed(member)
        if found.size > source.max_image_bytes:
            reason = f"{found.size} bytes are more than {source.max_image_bytes}"
            return Reject(name, name, Outcome.TOO_LARGE, reason)
        data = store.get(key, max_bytes=source.max_image_bytes)
    except NotFoundError:
        return Reject(name, name, Outcome.MISSING, "there is no such object")
    if len(data) != found.size:
        raise _changed(member)
    return with_facts(name, name, data, known)


def _changed(member: Member) -> StaleError:
    return StaleError(f"{member.uri} has changed since it was listed; run the job again")
