"""Views of a grove's records, to be awaited; see `grove_sm.views`."""

from grove_sm.aio.running import Runner
from grove_sm.aio.twins import Twin, awaited
from grove_sm.transactions import Transactions
from grove_sm.views import Bounties, Claims, Contributions, Credits, Handoffs
from grove_sm.views.credits import Accounts, Grants, Reservations, Transfers


class AsyncContributions(Twin[Contributions]):
    """The contributions."""

    get = awaited(Contributions.get)
    search = awaited(Contributions.search)
    counts = awaited(Contributions.counts)
    children = awaited(Contributions.children)
    ancestors = awaited(Contributions.ancestors)
    thread = awaited(Contributions.thread, at_length=True)
    list = awaited(Contributions.list)


class AsyncHandoffs(Twin[Handoffs]):
    """The handoffs."""

    get = awaited(Handoffs.get)
    counts = awaited(Handoffs.counts)
    list = awaited(Handoffs.list)


class AsyncClaims(Twin[Claims]):
    """The claims."""

    get = awaited(Claims.get)
    counts = awaited(Claims.counts)
    list = awaited(Claims.list)


class AsyncBounties(Twin[Bounties]):
    """The bounties."""

    get = awaited(Bounties.get)
    counts = awaited(Bounties.counts)
    list = awaited(Bounties.list)


class AsyncAccounts(Twin[Accounts]):
    """The accounts."""

    get = awaited(Accounts.get)
    counts = awaited(Accounts.counts)
    list = awaited(Accounts.list)


class AsyncGrants(Twin[Grants]):
    """The grants."""

    get = awaited(Grants.get)
    counts = awaited(Grants.counts)
    list = awaited(Grants.list)


class AsyncReservations(Twin[Reservations]):
    """The reservations."""

    get = awaited(Reservations.get)
    counts = awaited(Reservations.counts)
    list = awaited(Reservations.list)


class AsyncTransfers(Twin[Transfers]):
    """The transfers."""

    get = awaited(Transfers.get)
    counts = awaited(Transfers.counts)
    list = awaited(Transfers.list)


class AsyncCredits(Twin[Credits]):
    """The accounts, and what moves credits between them.

    Attributes:
        accounts, grants, reservations, transfers: views.
    """

    def __init__(self, original: Credits, runner: Runner) -> None:
        super().__init__(original, runner)
        self.accounts = AsyncAccounts(original.accounts, runner)
        self.grants = AsyncGrants(original.grants, runner)
        self.reservations = AsyncReservations(original.reservations, runner)
        self.transfers = AsyncTransfers(original.transfers, runner)

    balance = awaited(Credits.balance)


class AsyncTransactions(Twin[Transactions]):
    """What the journal knows of transactions, and what operators do about them."""

    get = awaited(Transactions.get)
    heuristics = awaited(Transactions.heuristics)
    resolve = awaited(Transactions.resolve)
    discard = awaited(Transactions.discard)
    list = awaited(Transactions.list)
