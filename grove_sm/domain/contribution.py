"""Agents, and what they contribute (Grove protocol, sections 1 and 2)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from blake3 import blake3
from pydantic import AfterValidator, PrivateAttr, model_validator

from grove_sm.domain.canonical import encode_normal, encode_texts
from grove_sm.domain.errors import ValidationError
from grove_sm.domain.fields import (
    ArtifactName,
    AtMost,
    Cid,
    Context,
    Maybe,
    Number,
    One,
    Text,
    Text1To128,
    Text1To256,
    Text64,
    Text128,
    Text65536,
    TimeAsGiven,
    check_unique,
)
from grove_sm.domain.frozen import FrozenDict, FrozenList
from grove_sm.domain.record import Record
from grove_sm.domain.values import Flaw

Kind = Literal[
    "work", "review", "discussion", "adoption", "reproduction", "plan", "ask_user", "response"
]
Mode = Literal["evaluation", "exploration"]
Direction = Literal["minimize", "maximize"]
RelationType = Literal["derives_from", "responds_to", "reviews", "reproduces", "adopts"]

Tags = Annotated[Sequence[Text1To128], AtMost(100), AfterValidator(check_unique)]


class Agent(Record):
    """Who acts. Its role decides to whom its contributions are routed."""

    agent_id: Text1To256
    agent_name: Maybe[Text1To256] = None
    provider: Maybe[Text128] = None
    model: Maybe[Text128] = None
    platform: Maybe[Text128] = None
    version: Maybe[Text128] = None
    toolchain: Maybe[Text128] = None
    runtime: Maybe[Text128] = None
    role: Maybe[Text128] = None


class Score(Record):
    """One measured number, and which way is better."""

    value: Number
    direction: Direction
    unit: Maybe[Text64] = None


class Relation(Record):
    """An edge of the graph, to an earlier contribution."""

    target_cid: Cid
    relation_type: RelationType
    metadata: Maybe[Context] = None


class Contribution(Record):
    """An immutable node of the graph.

    `cid` is computed from the other fields; where one is given, it must be that. `created_at` is
    checked but kept as it was written, zone and all, since the CID is of what was written:
    operations normalise it first, and manifests from elsewhere keep their CID
    (Grove protocol, section 2).
    """

    cid: Cid = ""
    manifest_version: Annotated[Literal[1], One] = 1
    kind: Kind
    mode: Mode = "evaluation"
    summary: Text1To256
    description: Maybe[Text65536] = None
    artifacts: Annotated[Mapping[ArtifactName, Cid], AtMost(1000)] = FrozenDict()
    relations: Annotated[Sequence[Relation], AtMost(1000)] = FrozenList()
    scores: Maybe[Annotated[Mapping[Text, Score], AtMost(100)]] = None
    tags: Tags = FrozenList()
    context: Maybe[Context] = None
    agent: Agent
    created_at: TimeAsGiven

    _manifest: bytes = PrivateAttr(b"")

    @model_validator(mode="after")
    def _seal(self) -> Self:
        document = super().to_document()
        del document["cid"]
        has_free_values = self.context or self.scores or any(r.metadata for r in self.relations)
        manifest = encode_normal(document) if has_free_values else encode_texts(document)
        cid = "blake3:" + blake3(manifest).hexdigest()
        if self.cid not in ("", cid):
            raise Flaw(f"must be the CID of the other fields, which is {cid}", self.cid, "cid")
        self.__dict__["cid"] = cid
        self._manifest = manifest
        return self

    def manifest(self) -> bytes:
        """The canonical JSON that the CID is taken of."""
        return self._manifest

    def to_json(self) -> str:
        """The contribution's text at rest: its canonical manifest, with the CID in front."""
        return f'{{"cid":"{self.cid}",{self._manifest[1:].decode()}'


def compute_cid(document: Mapping[str, Any]) -> str:
    """The CID of a manifest, a JSON object with camelCase keys; a `cid` in it is ignored.

    Raises ValidationError if it breaks a rule (Grove protocol, section 2).
    """
    if not isinstance(document, Mapping):
        raise ValidationError(field="document", rule="must be an object", value=document)
    manifest = {name: value for name, value in document.items() if name != "cid"}
    return Contribution.from_document(manifest).cid
