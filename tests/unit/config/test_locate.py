"""The line of every key of a TOML text."""

import tomllib

from dialer.config.locate import locate

TEXT = '''# a comment with [brackets] and "quotes"
top = 1
"quoted key" = 'a # that is no comment'
a.b."c.d" = """
many
lines \\""" and ""two"" """
after = 1979-05-27 07:32:00  # a date with a blank

[table]   # [not.this]
first = { x = 1, y = { z = [1,
  2] } }
list = [
  "one",   # ] not the end
  ["nested", 'two'],
]

[[items]]
n = 1
[items.sub]
deep = true
[[items]]
n = 2
[items.sub]
deep = false

[ "spaced" . name ]
k\t=\tinf
literal = \'\'\'
# not a comment
[nor.a.table]\'\'\'
last = "\\"]"
'''


def test_every_key_has_its_line() -> None:
    """Tables, dotted and quoted keys, inline tables, array items and items of arrays of tables are found."""
    lines = locate(TEXT)
    expected = {
        (): 1,
        ("top",): 2,
        ("quoted key",): 3,
        ("a",): 4,
        ("a", "b", "c.d"): 4,
        ("after",): 7,
        ("table",): 9,
        ("table", "first", "x"): 10,
        ("table", "first", "y", "z"): 10,
        ("table", "first", "y", "z", 1): 11,
        ("table", "list", 0): 13,
        ("table", "list", 1, 1): 14,
        ("items", 0): 17,
        ("items", 0, "n"): 18,
        ("items", 0, "sub", "deep"): 20,
        ("items", 1): 21,
        ("items", 1, "sub", "deep"): 24,
        ("spaced", "name"): 26,
        ("spaced", "name", "k"): 27,
        ("spaced", "name", "literal"): 28,
        ("spaced", "name", "last"): 31,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_the_text_is_toml() -> None:
    """What this module's example holds is what the standard library reads in it."""
    assert tomllib.loads(TEXT)["items"][1]["sub"] == {"deep": False}


def test_a_table_begins_at_its_header() -> None:
    """A table that a sub-table implied first still begins at its own header."""
    assert locate("[a.b]\nx = 1\n\n[a]\ny = 2\n")[("a",)] == 4


def test_windows_line_ends_count_once() -> None:
    """A carriage return with a line feed is one line end."""
    assert locate("a = 1\r\nb = 2\r\n")[("b",)] == 2


def test_escapes_in_keys_are_read() -> None:
    """A key written with escapes is found under the key that it means."""
    assert ("ü\n",) in locate('"\\u00fc\\n" = 1')
