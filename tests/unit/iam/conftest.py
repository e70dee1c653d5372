"""IAM and STS in one process: see ``iam_world``."""

import pytest
from iam_world import Refused, World


@pytest.fixture
async def world():
    made = World()
    yield made
    await made.outbound.close()


@pytest.fixture
def refused():
    """``await refused("NoSuchEntity", 404, coroutine)``: the error."""

    async def check(code, status, coroutine):
        with pytest.raises(Refused) as caught:
            await coroutine
        error = caught.value
        assert (error.code, error.status) == (code, status), error
        assert error.kind == ("Sender" if status < 500 else "Receiver")
        return error

    return check
