"""In which time zones the holder of a number may be: always a set, since the law asks for every plausible one."""

import functools
import importlib.resources
import zoneinfo

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from dialer.leads.jurisdictions import areas

UNKNOWN = "Etc/Unknown"

# Area codes of North America that lie in several zones though the phone library names only one (or, for the last five,
# names one by default and others for some exchanges, while numbers are ported between exchanges). Grade: general
# knowledge of the numbering plan, not checked against its administrator's tables. The error is on the safe side: a zone
# too many narrows the calling hours, a zone too few calls someone at night. The library's own zones are always added.
SPLIT_AREA_CODES: dict[str, tuple[str, ...]] = {
    "364": ("America/Chicago", "America/New_York"),  # western Kentucky
    "448": ("America/Chicago", "America/New_York"),  # Florida panhandle
    "574": ("America/Chicago", "America/New_York"),  # northern Indiana
    "812": ("America/Chicago", "America/New_York"),  # southern Indiana
    "930": ("America/Chicago", "America/New_York"),  # southern Indiana, overlay
    "931": ("America/Chicago", "America/New_York"),  # middle Tennessee
    "906": ("America/Chicago", "America/Detroit"),  # upper Michigan
    "308": ("America/Chicago", "America/Denver"),  # western Nebraska
    "620": ("America/Chicago", "America/Denver"),  # southern Kansas
    "432": ("America/Chicago", "America/Denver"),  # western Texas
    "541": ("America/Boise", "America/Los_Angeles"),  # Oregon
    "458": ("America/Boise", "America/Los_Angeles"),  # Oregon, overlay
    "928": ("America/Denver", "America/Phoenix"),  # Arizona: the Navajo Nation keeps summer time
    "250": ("America/Edmonton", "America/Fort_Nelson", "America/Vancouver"),  # British Columbia
    "778": ("America/Edmonton", "America/Fort_Nelson", "America/Vancouver"),  # overlay
    "236": ("America/Edmonton", "America/Fort_Nelson", "America/Vancouver"),  # overlay
    "672": ("America/Edmonton", "America/Fort_Nelson", "America/Vancouver"),  # overlay
    "807": ("America/Toronto", "America/Winnipeg"),  # northwestern Ontario
    "418": ("America/Halifax", "America/Toronto"),  # eastern Quebec: the Magdalen Islands
    "581": ("America/Halifax", "America/Toronto"),  # overlay
    "367": ("America/Halifax", "America/Toronto"),  # overlay
    "867": ("America/Edmonton", "America/Iqaluit", "America/Vancouver", "America/Whitehorse", "America/Winnipeg"),
    "270": ("America/Chicago", "America/New_York"),  # western Kentucky
    "850": ("America/Chicago", "America/New_York"),  # Florida panhandle
    "219": ("America/Chicago", "America/New_York"),  # northwestern Indiana
    "423": ("America/Chicago", "America/New_York"),  # eastern Tennessee
    "785": ("America/Chicago", "America/Denver"),  # northern Kansas
}


@functools.cache
def country_zones(region: str) -> tuple[str, ...]:
    """Return all zones of a country (ISO alpha-2). Source: `zone.tab` of the tz database."""
    table = importlib.resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    return tuple(line.split("\t")[2] for line in table.splitlines() if line.startswith(f"{region}\t"))


@functools.cache
def place_zones(code: str) -> tuple[str, ...]:
    """Return all zones of a jurisdiction such as KR or US-FL, sorted: those of its area codes, or of its country."""
    country, _, _ = code.partition("-")
    numbers = [phonenumbers.PhoneNumber(country_code=1, national_number=int(f"{area}5550100")) for area in areas(code)]
    found = {zone for number in numbers for zone in zones_of(number, country, "fixed")}
    return tuple(sorted(found or country_zones(country)))


@functools.lru_cache(maxsize=1_024)
def is_zone(name: str) -> bool:
    """Whether a name is a place of the tz database, such as `Asia/Seoul`. Abbreviations (EST) keep no summer time."""
    if "/" not in name or name.startswith("Etc/"):
        return name == "UTC"
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def zones_of(
    number: phonenumbers.PhoneNumber, region: str, kind: str, number_type: int | None = None
) -> tuple[str, ...]:
    """Return every zone in which the holder may be, sorted; empty when neither number nor country tells.

    `number_type` is the library's, where the caller knows it already: to find it out costs half the time.

    Outside North America only fixed lines are tied to a place, so other kinds may be in any zone of their country. A
    North American mobile says where it was issued, not where its holder lives: no table mends that, the list's own zone
    column does.
    """
    if number_type is None:
        number_type = phonenumbers.number_type(number)
    area = str(number.national_number)[:3] if number.country_code == 1 else ""
    return _zones_at(_issued_in(number, number_type), area, region, kind == "fixed")


def _issued_in(number: phonenumbers.PhoneNumber, number_type: int) -> str:
    """Name the entry of the library's table in which a number lies: see its `timezone.time_zones_for_number`."""
    country_code = number.country_code or 0
    digits = str(country_code)
    if number_type == phonenumbers.PhoneNumberType.UNKNOWN:
        return ""
    if phonenumbers.is_number_type_geographical(number_type, country_code):
        digits += phonenumbers.national_significant_number(number)
    for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
        if digits[:length] in TIMEZONE_DATA:
            return digits[:length]
    return ""


@functools.lru_cache(maxsize=16_384)
def _zones_at(entry: str, area: str, region: str, is_fixed: bool) -> tuple[str, ...]:
    """Return the zones of an entry of the library's table and, in North America, of an area code; sorted."""
    zones = set(TIMEZONE_DATA.get(entry, ())) - {UNKNOWN}
    everywhere = country_zones(region)
    if area:
        zones.update(SPLIT_AREA_CODES.get(area, ()))
    elif not is_fixed and len(zones) == 1:
        zones.update(everywhere)
    if not zones and len(everywhere) == 1:
        zones.update(everywhere)
    return tuple(sorted(zones))
