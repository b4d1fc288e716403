"""What the tests of configuration files share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dialer.config.campaign import load_campaign
from dialer.config.faults import ConfigFaults, Fault
from dialer.domain.policy import CampaignPolicy

HEAD = """name = "x"
seller = "Example Telecom"
purpose = "survey"
jurisdiction = "KR"
"""

AGENTS = '[agents]\ngroups = ["g"]\n'

Load = Callable[[str], CampaignPolicy]
Refuse = Callable[[str], list[Fault]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a campaign of the required keys and a further text."""

    def load_text(text: str) -> CampaignPolicy:
        path = tmp_path / "x.toml"
        path.write_text(HEAD + (text if "[agents]" in text else text + "\n" + AGENTS), encoding="utf-8")
        return load_campaign(path)

    return load_text


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """Load the same, expecting faults; line 1 of the further text is line 5 of the file."""

    def refuse_text(text: str) -> list[Fault]:
        with pytest.raises(ConfigFaults) as caught:
            load(text)
        return list(caught.value.faults)

    return refuse_text
