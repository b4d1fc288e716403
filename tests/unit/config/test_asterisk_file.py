"""gateway.toml of an Asterisk: defaults, bounds, where the password is, and the example that names every key."""

import re
from pathlib import Path

import pytest

from dialer.cli.gateway_asterisk import make_asterisk
from dialer.config.asterisk_file import PASSWORD_VARIABLE, AsteriskFile, AsteriskFileTable, load_asterisk_gateway
from dialer.config.faults import ConfigFaults, Fault
from dialer.config.toml_file import TomlModel
from dialer.daemon.logs import make_logger

EXAMPLE = Path(__file__).parents[3] / "deploy" / "asterisk" / "gateway.example.toml"


def load(folder: Path, text: str, **environ: str) -> AsteriskFile:
    """Load a gateway.toml of this text; the password is in the environment, unless the text names a file."""
    if "password_file" not in text:
        environ = {PASSWORD_VARIABLE: "any"} | environ
    (folder / "gateway.toml").write_text('name = "west"\n' + text, encoding="utf-8")
    return load_asterisk_gateway(folder / "gateway.toml", environ)


def fault_of(folder: Path, text: str) -> Fault:
    """Load the same, expecting one fault."""
    with pytest.raises(ConfigFaults) as caught:
        load(folder, text)
    (fault,) = caught.value.faults
    return fault


def keys_of(model: type[TomlModel]) -> set[str]:
    """Every key of a table's model, tables left out."""
    return {name for name, info in model.model_fields.items() if "Table" not in str(info.annotation)}


def test_the_example_names_every_key() -> None:
    """deploy/asterisk/gateway.example.toml has each key of each table and no other."""
    named: dict[str, set[str]] = {}
    table = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"(?:# )?\[([\w.]+)\]", line):
            table = header[1]
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            named.setdefault(table, set()).add(key[1])
    assert named.pop("agents.desks") == {"agent1"}
    named["agents"].add("desks")
    fields = AsteriskFileTable.model_fields
    wanted = {"": keys_of(AsteriskFileTable)}
    for name, info in fields.items():
        for each in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(each, type) and issubclass(each, TomlModel):
                wanted[name] = keys_of(each)
    assert named == wanted


def test_the_example_holds_the_defaults_and_makes_a_gateway() -> None:
    """What stands in it is what counts without it; with it, or with every comment taken out, a gateway can be made."""
    file = load_asterisk_gateway(EXAMPLE, {PASSWORD_VARIABLE: "any"})
    assert (file.name, file.lines, file.detector, file.recording) == ("north", 60, None, None)
    gateway = make_asterisk(file, lambda: 0.0, make_logger("info", "json"), lines=1, calls_per_second=1.0)
    assert not gateway.is_up


def test_tables_that_are_there_are_in_use(tmp_path: Path) -> None:
    """An empty [detector] is a detector with its defaults; recording needs a folder."""
    file = load(tmp_path, '[detector]\n[recording]\nfolder = "calls"\n[agents.desks]\nanna = ["floor"]')
    assert file.detector is not None and file.detector.total_analysis_ms == 5000
    assert file.recording is not None and file.recording.folder == str(tmp_path / "calls")
    assert file.agents.desks == {"anna": ["floor"]}
    assert fault_of(tmp_path, "[recording]").key == "recording.folder"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[asterisk]\nurl = "127.0.0.1:8088"', "asterisk.url"),
        ('[asterisk]\nurl = "http://127.0.0.1:8088/ari"', "asterisk.url"),
        ('[asterisk]\ntrunk = "PJSIP/carrier"', "asterisk.trunk"),
        ('[asterisk]\npassword = "secret"', "asterisk.password"),
        ('[agents]\nendpoint = "{agent}"', "agents.endpoint"),
        ('[agents]\nendpoint = "PJSIP/{name}"', "agents.endpoint"),
        ("[detector]\nmax_words = 0", "detector.max_words"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, key: str) -> None:
    """A fault names the key."""
    assert fault_of(tmp_path, text).key == key


def test_the_password_comes_from_the_environment_or_a_file_of_its_owner(tmp_path: Path) -> None:
    """It is in no configuration file, and no file that others can read is taken."""
    assert load(tmp_path, "", DIALER_ARI_PASSWORD="secret").password == "secret"
    path = tmp_path / "ari.password"
    path.write_text("secret\n", encoding="utf-8")
    path.chmod(0o600)
    text = '[asterisk]\npassword_file = "ari.password"'
    file = load(tmp_path, text)
    assert file.password == "secret" and "secret" not in repr(file)
    path.chmod(0o644)
    assert fault_of(tmp_path, text).hint == f"chmod 600 {path}"


def test_a_gateway_without_a_password_does_not_start() -> None:
    """Asterisk would refuse it for ever; the fault says the three places where one may be."""
    with pytest.raises(ConfigFaults) as caught:
        load_asterisk_gateway(EXAMPLE, {})
    (fault,) = caught.value.faults
    assert (fault.key, fault.found) == ("asterisk.password_file", "none")
    assert PASSWORD_VARIABLE in fault.expected and "LoadCredential=dialer.ari" in str(fault.hint)
