"""A grove as a web service, with FastAPI: one AsyncGrove for as long as the service lives.

    pip install 'fastapi>=0.115' uvicorn
    GROVE_FOLDER=./my-grove uvicorn --app-dir docs/examples service:app

`Idempotency-Key` makes a request safe to repeat: whoever saw no answer sends it again.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, JsonValue

from grove_sm import Agent, AsyncGrove, GroveError

STATUS = {
    "VALIDATION_ERROR": HTTPStatus.UNPROCESSABLE_ENTITY,
    "NOT_FOUND": HTTPStatus.NOT_FOUND,
    "STATE_CONFLICT": HTTPStatus.CONFLICT,
    "CLAIM_CONFLICT": HTTPStatus.CONFLICT,
    "INSUFFICIENT_CREDITS": HTTPStatus.PAYMENT_REQUIRED,
    "STORE_UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "IN_DOUBT": HTTPStatus.SERVICE_UNAVAILABLE,
    "OUTCOME_UNKNOWN": HTTPStatus.GATEWAY_TIMEOUT,
}
"""The answer to each error; any other is the service's own fault."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the grove, which recovers what a crash has left, before the first request."""
    async with AsyncGrove.open(os.environ.get("GROVE_FOLDER", "./my-grove")) as grove:
        app.state.grove = grove
        yield


app = FastAPI(title="A grove", lifespan=lifespan)


def the_grove(request: Request) -> AsyncGrove:
    """The grove of this service."""
    grove: AsyncGrove = request.app.state.grove
    return grove


OneGrove = Annotated[AsyncGrove, Depends(the_grove)]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]
Record = dict[str, JsonValue]


class Work(BaseModel):
    """What an agent publishes."""

    summary: str
    agent: Agent
    description: str | None = None
    tags: list[str] = []


class Intent(BaseModel):
    """What an agent wants to work on."""

    target: str
    agent: Agent
    intent: str


@app.exception_handler(GroveError)
async def refused(_: Request, error: GroveError) -> JSONResponse:
    """Tell what was refused, and why."""
    status = STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return JSONResponse(error.to_document(), status)


@app.post("/contributions", status_code=HTTPStatus.CREATED)
async def contribute(work: Work, grove: OneGrove, key: Key = None) -> Record:
    """Publish work, and hand it to whom the topology names."""
    done = await grove.contribute(
        kind="work",
        summary=work.summary,
        agent=work.agent,
        description=work.description,
        tags=work.tags,
        idempotency_key=key,
    )
    return {"cid": done.cid, "routedTo": list(done.routed_to), "duplicate": done.duplicate}


@app.get("/contributions/{cid}")
async def contribution(cid: str, grove: OneGrove) -> Any:
    """A contribution."""
    return (await grove.contributions.get(cid)).to_document()


@app.post("/claims", status_code=HTTPStatus.CREATED)
async def claim(wanted: Intent, grove: OneGrove, key: Key = None) -> Any:
    """Claim a target, or renew the claim."""
    held = await grove.claim(
        wanted.target, agent=wanted.agent, intent_summary=wanted.intent, idempotency_key=key
    )
    return held.claim.to_document()


@app.get("/inbox/{role}")
async def pick_up(role: str, agent_id: str, grove: OneGrove, wait: float = 20.0) -> Record | None:
    """The oldest handoff to a role, waiting for one if there is none (long polling)."""
    work = await grove.pick_up(agent=Agent(agent_id=agent_id, role=role), wait=min(wait, 60.0))
    if work is None:
        return None
    return {
        "handoffId": work.handoff.handoff_id,
        "contribution": work.contribution.to_document(),
    }
