"""config.toml: defaults, paths, bounds, and the example that names every key."""

import re
import shutil
import tomllib
from pathlib import Path
from typing import get_origin

import pytest

from dialer.config.faults import ConfigFaults, Fault
from dialer.config.settings import Settings, SettingsTable, load_settings
from dialer.config.toml_file import TomlModel

ROOT = Path(__file__).parents[3]


def load(folder: Path, text: str) -> Settings:
    """Load a config.toml of this text in a folder that has campaigns/."""
    (folder / "campaigns").mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return load_settings(folder / "config.toml")


def faults_of(folder: Path, text: str) -> tuple[Fault, ...]:
    """Load the same, expecting faults."""
    with pytest.raises(ConfigFaults) as caught:
        load(folder, text)
    return caught.value.faults


def keys_of(model: type[TomlModel], table: str = "") -> set[tuple[str, str]]:
    """Every key of the model, as (table, key)."""
    found = set()
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, TomlModel):
            found |= keys_of(info.annotation, name)
        elif get_origin(info.annotation) is not dict:  # tables under names of the operator's
            found.add((table, name))
    return found


def test_the_example_names_every_key() -> None:
    """config.example.toml has each key of the model and no other; keys without a value are commented out."""
    table, named = "", set()
    for line in (ROOT / "config.example.toml").read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            table = header.group(1)
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            named.add((table, key.group(1)))
    assert named == keys_of(SettingsTable)


def test_the_example_holds_the_defaults(tmp_path: Path) -> None:
    """config.example.toml loads, and means the same as an empty file in its place."""
    shutil.copy(ROOT / "config.example.toml", tmp_path / "config.toml")
    (tmp_path / "campaigns").mkdir()
    example = load_settings(tmp_path / "config.toml")
    assert example == load(tmp_path, "")


def test_the_commented_keys_of_the_example_are_valid(tmp_path: Path) -> None:
    """With its commented keys made real, the example still loads; but real telephones ring today."""
    text = re.sub(r"(?m)^# (\w+ = )", r"\1", (ROOT / "config.example.toml").read_text(encoding="utf-8"))
    (tmp_path / "worlds").mkdir()
    (tmp_path / "worlds" / "evening.toml").touch()
    for name in ("gateway.toml", "broker.password", "broker-ca.crt", "dialer.crt", "dialer.key"):
        (tmp_path / name).touch()
    (fault,) = faults_of(tmp_path, text)
    assert fault.key == "loopback.start_at"
    settings = load(tmp_path, text.replace("asterisk = ", "# asterisk = "))
    assert settings.loopback.agent_groups == ("renewals", "reminders", "survey")
    assert settings.loopback.start_at == 1772409600.0
    assert settings.loopback.world == tmp_path / "worlds" / "evening.toml"


def test_the_example_shows_a_gateway_behind_the_broker(tmp_path: Path) -> None:
    """Made real, its table is one gateway with the values that are the defaults."""
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    shown = "\n".join(re.findall(r"(?m)^#   (.+)$", text))
    settings = load(tmp_path, shown)
    assert [(each.name, each.lines, each.calls_per_second) for each in settings.trunks] == [("north", 60, 10.0)]
    assert (settings.lines, settings.calls_per_second) == (60, 10.0)
    assert settings.trunks == load(tmp_path, "[gateways.north]").trunks


def test_gateways_behind_a_broker_stand_alone(tmp_path: Path) -> None:
    """Their lines are added up; [gateway] beside them and a clock that runs faster are refused."""
    two = "[gateways.a]\nlines = 3\ncalls_per_second = 1.5\n[gateways.b]\nlines = 4\ncalls_per_second = 2\n"
    settings = load(tmp_path, two)
    assert (settings.lines, settings.calls_per_second) == (7, 3.5)
    assert faults_of(tmp_path, two + "[gateway]\nlines = 5")[0].key == "gateway"
    assert faults_of(tmp_path, two + "[loopback]\nspeed = 60")[0].key == "loopback.speed"
    assert faults_of(tmp_path, "[gateways.a]\nkind = 'pigeon'")[0].key == "gateways.a.kind"


def test_the_brokers_password_comes_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file for its owner alone or from the environment; never shown, and no key holds it."""
    broker = "[gateways.a]\n[broker]\nuser = 'engine-main'\n"
    file = tmp_path / "secret"
    file.write_text("hush\n", encoding="utf-8")
    file.chmod(0o644)
    fault = faults_of(tmp_path, broker + "password_file = 'secret'")[0]
    assert (fault.key, fault.found) == ("broker.password_file", "mode 0644")
    file.chmod(0o600)
    settings = load(tmp_path, broker + "password_file = 'secret'")
    assert settings.broker is not None
    assert settings.broker.password == "hush"
    assert "hush" not in repr(settings)
    monkeypatch.setenv("DIALER_BROKER_PASSWORD", "other")
    again = load(tmp_path, broker + "password_file = 'secret'")
    assert again.broker is not None
    assert again.broker.password == "other"
    assert faults_of(tmp_path, broker + "password = 'hush'")[0].key == "broker.password"
    for half in ("cert_file = 'secret'", "cert_file = 'secret'\nkey_file = 'secret'"):
        assert faults_of(tmp_path, broker + half)


def test_every_key_is_honoured(tmp_path: Path) -> None:
    """Each key's value arrives where it belongs."""
    (tmp_path / "w.toml").touch()
    (tmp_path / "house.toml").touch()
    (tmp_path / "c").mkdir()
    settings = load(
        tmp_path,
        """
        state_dir = "s"
        database = "/d/x.db"
        control_socket = "k.sock"
        campaigns_dir = "c"
        drain_timeout_s = 5
        log = { level = "debug", format = "json" }
        engine.name = "north"
        gateway = { lines = 7, calls_per_second = 0.5 }
        [loopback]
        world = "w.toml"
        seed = 9
        agents = 3
        agent_groups = ["a", "b"]
        speed = 60
        start_at = "2026-03-02T09:00:00+09:00"
        [metrics]
        listen = "[::1]:9464"
        [compliance]
        rules = ["house.toml"]
        [keys]
        file = "ring.json"
        [privacy]
        full_view = ["root", "@privacy"]
        """,
    )
    assert settings.state_dir == tmp_path / "s"
    assert settings.database == Path("/d/x.db")
    assert settings.control_socket == tmp_path / "k.sock"
    assert settings.campaigns_dir == tmp_path / "c"
    assert (settings.drain_timeout_s, settings.log_level, settings.log_format) == (5.0, "debug", "json")
    assert (settings.engine, settings.lines, settings.calls_per_second) == ("north", 7, 0.5)
    loopback = settings.loopback
    assert (loopback.world, loopback.seed, loopback.agents) == (tmp_path / "w.toml", 9, 3)
    assert (loopback.agent_groups, loopback.speed, loopback.start_at) == (("a", "b"), 60.0, 1772409600.0)
    assert (settings.rules, settings.keys_file) == ((tmp_path / "house.toml",), tmp_path / "ring.json")
    assert (settings.full_view, settings.listen) == (("root", "@privacy"), ("::1", 9464))


def test_the_environment_names_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DIALER_KEYS takes the place of keys.file; it is absolute, since the working folder is anybody's, or a keyring."""
    monkeypatch.setenv("DIALER_KEYS", "/run/keys/ring.json")
    assert load(tmp_path, 'keys.file = "other.json"').keys_file == Path("/run/keys/ring.json")
    monkeypatch.setenv("DIALER_KEYS", "ring.json")
    (fault,) = faults_of(tmp_path, "")
    assert (fault.key, fault.found) == ("keys.file", '"ring.json"')
    monkeypatch.setenv("DIALER_KEYS", "")
    assert load(tmp_path, "").keys_file == tmp_path / "var" / "keys.json"


def test_the_files_of_the_state_follow_its_folder(tmp_path: Path) -> None:
    """Unless they are named, database, socket and keyring lie in state_dir."""
    settings = load(tmp_path, 'state_dir = "elsewhere"')
    assert settings.keys_file == tmp_path / "elsewhere" / "keys.json"
    assert settings.database == tmp_path / "elsewhere" / "dialer.db"
    assert settings.control_socket == tmp_path / "elsewhere" / "dialer.sock"


def test_a_database_may_be_on_a_server(tmp_path: Path) -> None:
    """An address of PostgreSQL stays as it is; what else has the form of an address is no path."""
    address = "postgresql://dialer@db.example:5432/dialer?sslmode=verify-full"
    assert load(tmp_path, f'database = "{address}"').database == address
    (fault,) = faults_of(tmp_path, 'database = "mysql://db.example/dialer"')
    assert (fault.key, fault.hint) == ("database", "a server's address begins with postgresql://")
    (fault,) = faults_of(tmp_path, 'database = "postgresql://db.example"')
    assert fault.hint == "the name of the database is missing at its end"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hush@db.example/dialer",
        "postgresql://me@db.example/dialer?password=hush",
        "postgresql://:hush@[",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_shown(tmp_path: Path, address: str) -> None:
    """The file may be read by many; the message says where a password belongs, and never what it is."""
    (fault,) = faults_of(tmp_path, f'database = "{address}"')
    assert fault.key == "database"
    assert "hush" not in str(fault)
    assert "PGPASSWORD" in fault.expected or fault.found == "something that PostgreSQL cannot read"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("drain_timeout_s = -1", "drain_timeout_s"),
        ("drain_timeout_s = true", "drain_timeout_s"),
        ('campaigns_dir = "absent"', "campaigns_dir"),
        ('database = "campaigns"', "database"),
        ('state_dir = "config.toml"', "state_dir"),
        ('state_dir = ""', "state_dir"),
        (f'control_socket = "{"x" * 108}"', "control_socket"),
        (f'state_dir = "{"x" * 108}"', "state_dir"),
        ('log.level = "loud"', "log.level"),
        ('log.format = "xml"', "log.format"),
        ('engine.name = "north east"', "engine.name"),
        ("gateway.lines = 0", "gateway.lines"),
        ("gateway.lines = 1.5", "gateway.lines"),
        ("gateway.calls_per_second = nan", "gateway.calls_per_second"),
        ('loopback.world = "absent.toml"', "loopback.world"),
        ("loopback.seed = -1", "loopback.seed"),
        ("loopback.agents = 10001", "loopback.agents"),
        ("loopback.agent_groups = []", "loopback.agent_groups"),
        ("loopback.speed = 1001", "loopback.speed"),
        ("loopback.start_at = 2026-03-02T09:00:00", "loopback.start_at"),
        ('loopback.start_at = "2026-03-02T09:00:00"', "loopback.start_at"),
        ('loopback.start_at = "soon"', "loopback.start_at"),
        ("loopback.start_at = 2026-03-02", "loopback.start_at"),
        ("loopback.start_at = 1999-12-31T00:00:00Z", "loopback.start_at"),
        ("loopback.speed = 60\ngateways.north.lines = 5", "loopback.speed"),
        ("loopback.start_at = 2026-03-02T09:00:00Z\ngateways.north.lines = 5", "loopback.start_at"),
        ('loopback.speed = 60\ngateway.asterisk = "config.toml"', "loopback.speed"),
        ('loopback.start_at = 2026-03-02T09:00:00Z\ngateway.asterisk = "config.toml"', "loopback.start_at"),
        ('compliance.rules = ["absent.toml"]', "compliance.rules[0]"),
        ('compliance.rules = ["config.toml", "config.toml"]', "compliance.rules[1]"),
        ('metrics.listen = "localhost:9464"', "metrics.listen"),
        ('metrics.listen = "127.0.0.1"', "metrics.listen"),
        ('metrics.listen = "127.0.0.1:0"', "metrics.listen"),
        ('metrics.listen = "127.0.0.1:65536"', "metrics.listen"),
        ('metrics.listen = "300.0.0.1:9464"', "metrics.listen"),
        ("metrics.listen = 9464", "metrics.listen"),
        ('keys.file = "campaigns"', "keys.file"),
        ('privacy.full_view = ["a", "a"]', "privacy.full_view[1]"),
        ('privacy.full_view = ["@"]', "privacy.full_view[0]"),
        ('privacy.full_view = ["*"]', "privacy.full_view[0]"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, text: str, key: str) -> None:
    """A value out of range is a fault at its key and line; nothing is clamped."""
    (fault,) = faults_of(tmp_path, "# one line above\n" + text)
    assert (fault.key, fault.line) == (key, 2)


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt key is refused with the key it is nearest to."""
    (fault,) = faults_of(tmp_path, "[gateway]\nline = 3\n")
    assert str(fault).endswith(':2: gateway.line: expected a known key, found "line"; nearest known key: lines')


def test_a_key_in_the_wrong_table_names_the_right_one(tmp_path: Path) -> None:
    """A key that is known elsewhere says where it belongs."""
    (fault,) = faults_of(tmp_path, "lines = 3\n")
    assert fault.hint.startswith("this key belongs in [gateway]; nearest known key: ")


def test_a_socket_path_of_107_bytes_is_allowed(tmp_path: Path) -> None:
    """The limit on the control socket's path counts bytes and is exact."""
    path = "/" + "x" * 106
    assert load(tmp_path, f'control_socket = "{path}"').control_socket == Path(path)
    (fault,) = faults_of(tmp_path, f'control_socket = "{path}x"')
    assert "has 108" in fault.hint


def test_the_shipped_example_is_toml() -> None:
    """The example is read by the standard library alone as well."""
    tomllib.loads((ROOT / "config.example.toml").read_text(encoding="utf-8"))
