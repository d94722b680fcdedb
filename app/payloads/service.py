"""Stores payload schemas and loads all of them as rules. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.payloads.domain import PayloadJsonSchema, Rules
from app.payloads.models import StoredSchema, StrictProducer
from app.shared import logs

log = logs.get_logger(__name__)


class AddResult(StrEnum):
    """The result of adding a schema."""

    NEW = "added"
    SAME = "unchanged"
    REPLACED = "replaced"
    REFUSED = "refused"


def add(
    session: Session, producer_id: str, version: str, schema: PayloadJsonSchema, *, now: datetime, replace: bool = False
) -> AddResult:
    """Store a schema for a version of a producer. An existing other schema is replaced only with `replace`."""
    stored = session.get(StoredSchema, (producer_id, version))
    if stored is None:
        session.add(
            StoredSchema(
                producer_id=producer_id, version=version, document=schema.text, digest=schema.digest, changed_at=now
            )
        )
        session.flush()
        return AddResult.NEW
    if stored.digest == schema.digest:
        return AddResult.SAME
    if not replace:
        return AddResult.REFUSED
    stored.document, stored.digest, stored.changed_at = schema.text, schema.digest, now
    return AddResult.REPLACED


def remove(session: Session, producer_id: str, version: str) -> bool:
    """Returns whether there was a schema."""
    key = (StoredSchema.producer_id == producer_id, StoredSchema.version == version)
    return session.execute(delete(StoredSchema).where(*key).returning(StoredSchema.version)).first() is not None


def set_strict(session: Session, producer_id: str, *, strict: bool, now: datetime) -> bool:
    """Returns whether this changed anything. A strict producer's signals need a version that has a schema."""
    stored = session.get(StrictProducer, producer_id)
    if strict and stored is None:
        session.add(StrictProducer(producer_id=producer_id, since=now))
    elif not strict and stored is not None:
        session.delete(stored)
    return strict != (stored is not None)


def stored_schemas(session: Session) -> Sequence[StoredSchema]:
    """All stored schemas, by producer and version."""
    return session.scalars(select(StoredSchema).order_by(StoredSchema.producer_id, StoredSchema.version)).all()


def strict_producers(session: Session) -> frozenset[str]:
    return frozenset(session.scalars(select(StrictProducer.producer_id)))


def load(session: Session, previous: Rules) -> Rules:
    """The stored rules. Unchanged schemas are taken from `previous`, so that their documents are not read again."""
    schemas = {schema.digest: schema for schema in previous.schemas.values()}
    columns = (StoredSchema.producer_id, StoredSchema.version, StoredSchema.digest)
    digests = {(producer, version): digest for producer, version, digest in session.execute(select(*columns))}
    if missing := set(digests.values()) - set(schemas):
        documents = select(StoredSchema.digest, StoredSchema.document).where(StoredSchema.digest.in_(missing))
        new = {digest: PayloadJsonSchema.stored(document) for digest, document in session.execute(documents)}
        _log_defects(digests, new)
        schemas |= new
    # A schema that was removed between the two queries has no document.
    by_version = {key: schemas[digest] for key, digest in digests.items() if digest in schemas}
    return Rules(by_version, strict_producers(session))


def _log_defects(digests: Mapping[tuple[str, str], str], new: Mapping[str, PayloadJsonSchema]) -> None:
    """Logs each version whose schema this release cannot use, so that its payloads are accepted unchecked."""
    for (producer_id, version), digest in digests.items():
        schema = new.get(digest)
        if schema is not None and schema.defect:
            log.error("payload_schema_unusable", producer=producer_id, version=version, reason=schema.defect)
