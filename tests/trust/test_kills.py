"""Ten kills at random moments; `make reliability` tries two hundred."""

from __future__ import annotations

from pathlib import Path

from tests.trust.campaign import content
from tests.trust.kills import STAGES, Campaign

KILLS, SEED = 10, 7


def test_what_was_killed_and_started_again_gives_what_a_calm_machine_gives(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, SEED)
    campaign.run(KILLS, most_in_a_row=2)
    assert campaign.defects == []
    assert sum(tally.kills for tally in campaign.tallies.values()) == KILLS
    assert sum(tally.at_work for tally in campaign.tallies.values()) >= KILLS // 2
    table = campaign.table()
    for stage in STAGES:
        assert f"| `{stage}` |" in table


def test_times_alone_may_differ(tmp_path: Path) -> None:
    def said(name: str, text: str) -> object:
        path = tmp_path / name
        path.write_text(text)
        return content(path)

    for name, one, other, equal in (
        ("train.json", '{"seconds": 1, "seed": 0}', '{"seconds": 2, "seed": 0}', True),
        ("train.json", '{"seconds": 1, "seed": 0}', '{"seconds": 1, "seed": 1}', False),
        ("metrics.jsonl", '{"memory_mb": 1, "loss": 0}', '{"memory_mb": 2, "loss": 0}', True),
        ("metrics.jsonl", '{"loss": 1}', '{"loss": 2}', False),
        ("results.json", f'"train.json": "{"a" * 64}"', f'"train.json": "{"b" * 64}"', True),
        ("results.json", f'"model.safetensors": "{"a" * 64}"', f'"model.safetensors": "{"b" * 64}"', False),
        ("metrics.json", "1", "2", False),
    ):
        assert (said(name, one) == said(name, other)) == equal, name
