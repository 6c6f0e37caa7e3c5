"""Turns a git repository's history into contribution documents, one a line.

Commits become work by coders, merges reviews by reviewers; artifacts are the files that a commit
changed. Authors are known by a digest of their e-mail address.

    python -m grove_sm.demo.history REPOSITORY [--name NAME] [--limit N] > history.jsonl
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pydantic
from blake3 import blake3

from grove_sm.domain import Contribution
from grove_sm.domain.fields import ArtifactName

_MOST_PARENTS: Final = 8
_MOST_ARTIFACTS: Final = 100
_SUMMARY_LENGTH: Final = 256
_ARTIFACT_NAME: Final = pydantic.TypeAdapter(ArtifactName)
_FORMAT: Final = "%H%x00%P%x00%ae%x00%ct%x00%s"
_SUBMODULE: Final = "160000"


class Commit(NamedTuple):
    """A commit as git lists it; `files` maps a changed file's name to its object."""

    id: str
    parents: Sequence[str]
    email: str
    time: datetime
    subject: str
    files: dict[str, str]


def contributions(
    repository: Path, *, name: str, limit: int | None = None
) -> Iterator[Contribution]:
    """The history of a repository, parents first.

    Args:
        repository: its folder.
        name: what the contributions call it.
        limit: only so many of the oldest commits.

    Raises subprocess.CalledProcessError if git cannot read it.
    """
    cids: dict[str, str] = {}
    for commit in _commits(repository, limit):
        contribution = Contribution.from_document(_document(repository, commit, name, cids))
        cids[commit.id] = contribution.cid
        yield contribution


def _document(repository: Path, commit: Commit, name: str, cids: dict[str, str]) -> dict[str, Any]:
    is_merge = len(commit.parents) > 1
    known = [cids[parent] for parent in commit.parents[:_MOST_PARENTS] if parent in cids]
    return {
        "kind": "review" if is_merge else "work",
        "mode": "exploration",
        "summary": commit.subject[:_SUMMARY_LENGTH] or "no message",
        "artifacts": {} if is_merge else _artifacts(repository, commit),
        "relations": [
            {"targetCid": cid, "relationType": "reviews" if is_merge and index else "derives_from"}
            for index, cid in enumerate(known)
        ],
        "tags": ["merge" if is_merge else "commit"],
        "context": {"repo": name, "commit": commit.id},
        "agent": {
            "agentId": f"agent-{blake3(commit.email.encode()).hexdigest()[:8]}",
            "role": "reviewer" if is_merge else "coder",
        },
        "createdAt": commit.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }


def _artifacts(repository: Path, commit: Commit) -> dict[str, str]:
    found = {}
    for file, blob in list(commit.files.items())[:_MOST_ARTIFACTS]:
        content = _git(repository, "cat-file", "blob", blob)
        found[file] = f"blake3:{blake3(content).hexdigest()}"
    return found


def _commits(repository: Path, limit: int | None) -> Iterator[Commit]:
    lines = _git(repository, "log", "--reverse", "--topo-order", f"--format={_FORMAT}", "HEAD")
    for line in lines.decode("utf-8", "replace").removesuffix("\n").split("\n")[:limit]:
        id_, parents, email, time, subject = line.split("\0")
        moment = datetime.fromtimestamp(int(time), UTC)
        files = _changed(repository, id_)
        yield Commit(id_, parents.split(), email, moment, subject, files)


def _changed(repository: Path, commit: str) -> dict[str, str]:
    """The files that a commit added or changed, but for names that no artifact may have."""
    listing = _git(
        repository, "diff-tree", "-r", "-z", "--root", "--no-commit-id", "--diff-filter=AM", commit
    )
    fields = listing.decode("utf-8", "replace").split("\0")
    files = {}
    for facts, file in zip(fields[0::2], fields[1::2], strict=False):
        _, mode, _, blob, _ = facts.split()
        if mode != _SUBMODULE and _is_artifact_name(file):
            files[file] = blob
    return files


def _is_artifact_name(file: str) -> bool:
    try:
        _ARTIFACT_NAME.validate_python(file)
    except pydantic.ValidationError:
        return False
    return True


def _git(repository: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603


def main() -> None:
    """Write a repository's history to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--name", default=None, help="what to call it (default: its folder)")
    parser.add_argument("--limit", type=int, default=None, help="only the oldest N commits")
    options = parser.parse_args()
    name = options.name or options.repository.resolve().name
    for contribution in contributions(options.repository, name=name, limit=options.limit):
        sys.stdout.write(contribution.to_json() + "\n")


if __name__ == "__main__":
    main()
