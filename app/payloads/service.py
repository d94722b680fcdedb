"""Keeps payload schemas and reads them all as the rules of the moment. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.payloads.domain import PayloadSchema, Rules
from app.payloads.models import StoredSchema, StrictProducer
from app.shared import logs

log = logs.get_logger(__name__)


class Added(StrEnum):
    """What became of a schema that was to be added."""

    NEW = "added"
    SAME = "unchanged"
    REPLACED = "replaced"
    REFUSED = "refused"


def add(
    session: Session, producer_id: str, version: str, schema: PayloadSchema, *, now: datetime, replace: bool = False
) -> Added:
    """Store a schema for a version of a producer. Another one that is there is kept unless it may be replaced."""
    stored = session.get(StoredSchema, (producer_id, version))
    if stored is None:
        session.add(
            StoredSchema(
                producer_id=producer_id, version=version, document=schema.text, digest=schema.digest, changed_at=now
            )
        )
        session.flush()
        return Added.NEW
    if stored.digest == schema.digest:
        return Added.SAME
    if not replace:
        return Added.REFUSED
    stored.document, stored.digest, stored.changed_at = schema.text, schema.digest, now
    return Added.REPLACED


def remove(session: Session, producer_id: str, version: str) -> bool:
    """Whether there was one."""
    named = (StoredSchema.producer_id == producer_id, StoredSchema.version == version)
    return session.execute(delete(StoredSchema).where(*named).returning(StoredSchema.version)).first() is not None


def set_strict(session: Session, producer_id: str, *, strict: bool, now: datetime) -> bool:
    """Whether that changed anything. A strict producer's signals are refused unless their version has a schema."""
    stored = session.get(StrictProducer, producer_id)
    if strict and stored is None:
        session.add(StrictProducer(producer_id=producer_id, since=now))
    elif not strict and stored is not None:
        session.delete(stored)
    return strict != (stored is not None)


def stored_schemas(session: Session) -> Sequence[StoredSchema]:
    """By producer and version."""
    return session.scalars(select(StoredSchema).order_by(StoredSchema.producer_id, StoredSchema.version)).all()


def strict_producers(session: Session) -> frozenset[str]:
    return frozenset(session.scalars(select(StrictProducer.producer_id)))


def load(session: Session, known: Rules) -> Rules:
    """The rules as they are stored. Schemas that are in `known` unchanged are taken from there, not read again."""
    have = {schema.digest: schema for schema in known.schemas.values()}
    columns = (StoredSchema.producer_id, StoredSchema.version, StoredSchema.digest)
    wanted = {(producer, version): digest for producer, version, digest in session.execute(select(*columns))}
    if missing := set(wanted.values()) - set(have):
        documents = select(StoredSchema.digest, StoredSchema.document).where(StoredSchema.digest.in_(missing))
        new = {digest: PayloadSchema.stored(document) for digest, document in session.execute(documents)}
        _report_defects(wanted, new)
        have |= new
    # A row that was removed between the two reads is on its way out.
    schemas = {key: have[digest] for key, digest in wanted.items() if digest in have}
    return Rules(schemas, strict_producers(session))


def _report_defects(wanted: Mapping[tuple[str, str], str], read: Mapping[str, PayloadSchema]) -> None:
    """Log each version whose schema this release cannot use; its payloads are accepted unchecked."""
    for (producer_id, version), digest in wanted.items():
        schema = read.get(digest)
        if schema is not None and schema.defect:
            log.error("payload_schema_unusable", producer=producer_id, version=version, reason=schema.defect)
