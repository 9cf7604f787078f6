"""Every state of a checkout is made once and copied for each test."""

import pytest

from tests.trust.ground import Ground, make


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A checkout in a state, shared: nothing may be changed in it."""
    found: dict[str, Ground] = {}

    def get(state: str) -> Ground:
        if state not in found:
            found[state] = make(state, tmp_path_factory.mktemp("ground") / "checkout")
        return found[state]

    return get


@pytest.fixture
def ground_of(made, tmp_path, monkeypatch):
    """A checkout in a state, of one's own, and the working folder from then on."""

    def get(state: str) -> Ground:
        ground = made(state).copy(tmp_path / "checkout")
        monkeypatch.chdir(ground.root)
        return ground

    return get
