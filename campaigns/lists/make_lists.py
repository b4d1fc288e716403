"""Makes the shipped sample lists anew, always the same ones: `python campaigns/lists/make_lists.py [FOLDER]`.

The lists are as dirty as real ones, and every number in them reaches nobody:

* US: 555-0100 to 555-0199 of any area code, kept for fiction by the North American Numbering Plan.
* UK: Ofcom's numbers for drama, 07700 900000-900999, 020 7946 0xxx, 0121 496 0xxx and their like.
* Korea: has no range for fiction. 010-0xxx-xxxx and exchanges that begin with 00 (02-00xx-xxxx, 031-00x-xxxx): no
  Korean exchange begins with 0.
* Japan: has no range for fiction. 090-0xxx-xxxx, 03-00xx-xxxx, 052-00x-xxxx, 092-00x-xxxx: no Japanese exchange begins
  with 0.

Names are made up of a word and a number, so that nobody is meant.
"""

import csv
import io
import random
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl

SEED = 20260301
KR_SEGMENTS = ("일반", "일반", "일반", "우수", "휴면")
JP_SEGMENTS = ("新規", "継続", "継続", "延滞")
EN_SEGMENTS = ("new", "new", "new", "repeat", "dormant")
FULL_WIDTH = str.maketrans("0123456789-", "０１２３４５６７８９－")
STAMP = (2026, 3, 1, 0, 0, 0)

Cells = list[str]
Twist = Callable[[random.Random, str], str]

KR_NEEDED = ["번호", "이름", "휴대폰", "집전화", "등급", "우선순위", "동의일"]
KR_NEEDLESS = [
    "우편번호", "주소", "지점", "담당자", "요금제", "단말기", "가입일", "약정만료", "결제방법", "은행", "납부일",
    "포인트", "쿠폰", "이메일수신", "문자수신", "분류1", "분류2", "분류3", "등록자", "등록일", "수정자", "수정일",
    "상태코드", "비고", "메모",
]  # fmt: skip
JP_HEADINGS = ["顧客番号", "氏名", "携帯電話", "自宅電話", "勤務先電話", "区分", "支払期日"]
UK_HEADINGS = ["ID", "Name", "Mobile", "Landline", "Region", "Segment"]
US_HEADINGS = ["id", "full name", "phone", "phone2", "state", "segment", "time zone"]
US_AREAS = {
    "212": ("NY", "America/New_York"), "617": ("MA", "America/New_York"), "305": ("FL", "America/New_York"),
    "404": ("GA", "America/New_York"), "313": ("MI", "America/Detroit"), "906": ("MI", ""), "812": ("IN", ""),
    "312": ("IL", "America/Chicago"), "214": ("TX", "America/Chicago"), "612": ("MN", "America/Chicago"),
    "504": ("LA", "America/Chicago"), "850": ("FL", ""), "931": ("TN", ""), "308": ("NE", ""),
    "303": ("CO", "America/Denver"), "505": ("NM", "America/Denver"), "602": ("AZ", "America/Phoenix"),
    "928": ("AZ", ""), "208": ("ID", ""), "206": ("WA", "America/Los_Angeles"),
    "415": ("CA", "America/Los_Angeles"), "541": ("OR", ""),
    "907": ("AK", ""), "808": ("HI", "Pacific/Honolulu"),
}  # fmt: skip
UK_AREAS = {
    "20 7946 0": "London", "113 496 0": "Yorkshire", "117 496 0": "South West", "121 496 0": "West Midlands",
    "131 496 0": "Scotland", "161 496 0": "North West", "29 2018 0": "Wales", "1632 960": "North East",
}  # fmt: skip


def trunkless(number: str) -> str:
    """Drop punctuation and the leading 0, as a spreadsheet does that takes a number for a quantity."""
    return re.sub(r"\D", "", number).lstrip("0")


def scientific(number: str, places: int) -> str:
    """Write a number as a spreadsheet shows it in a narrow column, with so many decimal places."""
    return f"{float(trunkless(number)):.{places}E}"


def mess(rng: random.Random, rows: list[Cells], at: int, count: int, twist: Twist) -> None:
    """Twist one cell of `count` rows that are still clean there; a twisted row is marked by its last, extra cell."""
    clean = [row for row in rows if row[-1] == "" and row[at]]
    for row in rng.sample(clean, count):
        row[at] = twist(rng, row[at])
        row[-1] = "twisted"


def finish(rng: random.Random, rows: list[Cells]) -> list[Cells]:
    """Shuffle the rows and take the marks off."""
    rng.shuffle(rows)
    return [row[:-1] for row in rows]


def write_csv(path: Path, encoding: str, headings: Cells, rows: list[Cells], raw: dict[int, str]) -> None:
    """Write a CSV; `raw` replaces the line of a row, by its index, with one that no writer would make."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(headings)
        for index, row in enumerate(rows):
            if index in raw:
                file.write(raw[index] + "\r\n")
            else:
                writer.writerow(row)


def make_korea(path: Path, total: int = 5_000) -> None:
    """Renewals: CP949, Korean headings, 25 columns nobody needs, every kind of dirt."""
    rng = random.Random(SEED)
    mobiles = rng.sample(range(10_000_000), total)
    homes = rng.sample(range(1_000_000), total)
    rows: list[Cells] = []
    for n in range(total):
        mobile = f"010-0{mobiles[n] // 10_000:03}-{mobiles[n] % 10_000:04}"
        home = f"02-00{homes[n] // 10_000:02}-{homes[n] % 10_000:04}" if n % 3 == 0 else ""
        if n % 15 == 0:
            home = f"031-00{homes[n] // 100_000}-{homes[n] % 10_000:04}"
        consent = f"{2023 + n % 3}-{1 + n % 12:02}-{1 + n % 28:02}"
        needless = [""] * len(KR_NEEDLESS)
        needless[0], needless[2], needless[4] = f"{n % 100:05}", f"{n % 40 + 1}지점", f"요금제{n % 7}"
        needless[11], needless[22] = str(n % 900), "A"
        rows.append(
            [
                f"R{n + 1:05}",
                f"고객{n + 1:04}",
                mobile,
                home,
                rng.choice(KR_SEGMENTS),
                str(n % 4),
                consent,
                *needless,
                "",
            ]
        )
    numbers = [row[2] for row in rows]
    twists: list[tuple[int, Twist]] = [
        (150, lambda rng, _: rng.choice(numbers)),  # somebody else's row again
        (40, lambda rng, _: rng.choice(["", " ", "-"])),
        (30, lambda rng, text: rng.choice(["없음", "확인필요", text[:8], text + "999", "123"])),
        (60, lambda _, text: text.translate(FULL_WIDTH)),
        (60, lambda _, text: "+82 (0)" + text[1:].replace("-", " ")),
        (60, lambda _, text: "82 " + text[1:].replace("-", " ")),
        (40, lambda _, text: trunkless(text)),
        (30, lambda _, text: trunkless(text) + ".0"),
        (15, lambda _, text: scientific(text, 9)),
        (25, lambda _, text: scientific(text, 4)),
        (80, lambda _, text: f"  {text}   "),
        (40, lambda rng, text: f"{text} (내선 {rng.randrange(10, 99)})"),
    ]
    for count, twist in twists:
        mess(rng, rows, 2, count, twist)
    mess(rng, rows, 2, 40, lambda rng, text: f"{text} / 010-0{rng.randrange(1000):03}-{rng.randrange(10_000):04}")
    mess(rng, rows, 3, 30, lambda rng, text: rng.choice(["없음", text[:6], "02-1"]))
    mess(rng, rows, 5, 8, lambda *_: "높음")
    memo = len(KR_NEEDED) + KR_NEEDLESS.index("메모")
    for row in rng.sample(rows, 60):
        row[memo] = '첫째 줄\n둘째 줄, 쉼표와 "따옴표"'
    rows = finish(rng, rows)
    raw = {}
    for index in rng.sample([index for index, row in enumerate(rows) if not row[memo]], 6):
        rows[index][memo] = "이사"
        raw[index] = ",".join([*rows[index][:8], "서울시, 중구", *rows[index][9:]])  # a comma that nobody quoted
    write_csv(path, "cp949", KR_NEEDED + KR_NEEDLESS, rows, raw)


def make_japan(path: Path, total: int = 1_500) -> None:
    """Payment reminders: Shift_JIS, several numbers per person."""
    rng = random.Random(SEED + 1)
    mobiles = rng.sample(range(10_000_000), total)
    others = rng.sample(range(1_000_000), total * 2)
    rows: list[Cells] = []
    for n in range(total):
        mobile = f"090-0{mobiles[n] // 10_000:03}-{mobiles[n] % 10_000:04}"
        home = f"03-00{others[n] // 10_000:02}-{others[n] % 10_000:04}" if n % 2 == 0 else ""
        place = ("052", "092")[n % 2]
        work = f"{place}-00{others[-n] // 100_000}-{others[-n] % 10_000:04}" if n % 3 == 0 else ""
        due = f"2026/{1 + n % 12:02}/{1 + n % 28:02}"
        rows.append([f"J{n + 1:05}", f"利用者{n + 1:04}", mobile, home, work, rng.choice(JP_SEGMENTS), due, ""])
    numbers = [row[2] for row in rows]
    twists: list[tuple[int, int, Twist]] = [
        (2, 40, lambda rng, _: rng.choice(numbers)),
        (2, 60, lambda *_: ""),
        (2, 80, lambda _, text: text.translate(FULL_WIDTH)),
        (2, 30, lambda _, text: "+81 (0)" + text[1:]),
        (2, 20, lambda _, text: trunkless(text)),
        (2, 10, lambda _, text: scientific(text, 5)),
        (2, 30, lambda _, text: text + "　"),  # an ideographic space
        (2, 20, lambda rng, _: rng.choice(["不明", "なし", "090-", "電話番号未登録"])),
        (3, 20, lambda rng, text: rng.choice(["なし", text[:5]])),
        (4, 60, lambda rng, text: f"{text} 内線{rng.randrange(100, 999)}"),
        (4, 15, lambda rng, text: f"{text}、03-00{rng.randrange(100):02}-{rng.randrange(10_000):04}"),
    ]
    for at, count, twist in twists:
        mess(rng, rows, at, count, twist)
    write_csv(path, "cp932", JP_HEADINGS, finish(rng, rows), {})


def make_uk(path: Path, total: int = 800) -> None:
    """A survey, UK part: UTF-8 with a byte order mark; written with +44, since the campaign is at home in the US."""
    rng = random.Random(SEED + 2)
    mobiles = rng.sample(range(1_000), total)
    rows: list[Cells] = []
    for n in range(total):
        area, region = list(UK_AREAS.items())[n % len(UK_AREAS)]
        line = f"+44 {area}{100 + n:03}" if n % 2 else ""
        mobile = f"+44 7700 900{mobiles[n]:03}"
        rows.append([f"G{n + 1:04}", f"Respondent {n + 1:04}", mobile, line, region, rng.choice(EN_SEGMENTS), ""])
    numbers = [row[2] for row in rows]
    twists: list[tuple[int, Twist]] = [
        (25, lambda rng, _: rng.choice(numbers)),
        (20, lambda *_: ""),
        (15, lambda rng, _: rng.choice(["n/a", "ex-directory", "07700", "unknown"])),
        (60, lambda _, text: text.replace("+44 ", "+44 (0)")),
        (30, lambda _, text: text.replace("+44 ", "0044 ")),
        (30, lambda _, text: text.replace("+44 ", "(+44) ")),
        (20, lambda _, text: text.replace("+44 ", "0")),  # without a country: nobody knows which
        (10, lambda _, text: scientific(text, 5)),
        (20, lambda _, text: f" {text} "),
    ]
    for count, twist in twists:
        mess(rng, rows, 2, count, twist)
    for row in rng.sample(rows, 20):
        row[1] = row[1].replace(" ", "\n")
    write_csv(path, "utf-8-sig", UK_HEADINGS, finish(rng, rows), {})


def make_us(path: Path, total: int = 800) -> None:
    """A survey, US part: an Excel workbook in which many numbers are quantities."""
    rng = random.Random(SEED + 3)
    areas = list(US_AREAS)
    lines = rng.sample([(area, line) for area in areas for line in range(100, 200)], total)
    rows: list[Cells] = []
    for n, (area, line) in enumerate(lines):
        state, zone = US_AREAS[area]
        phone = f"({area}) 555-0{line}"
        second = f"{area}-555-0{rng.randrange(100, 200)}" if n % 10 == 0 else ""
        zone = zone if n % 3 else ""
        rows.append([str(n + 1), f"Respondent {n + 1:04}", phone, second, state, rng.choice(EN_SEGMENTS), zone, ""])
    numbers = [row[2] for row in rows]
    twists: list[tuple[int, Twist]] = [
        (20, lambda rng, _: rng.choice(numbers)),
        (20, lambda *_: ""),
        (15, lambda rng, _: rng.choice(["none", "555-0123", "(000) 555-0100", "911"])),
        (40, lambda _, text: "+1 " + text),
        (30, lambda _, text: "1-" + text[1:4] + "-" + text[6:]),
        (20, lambda rng, text: f"{text} x{rng.randrange(10, 9999)}"),
        (10, lambda _, text: scientific(text, 5)),
    ]
    for count, twist in twists:
        mess(rng, rows, 2, count, twist)
    mess(rng, rows, 6, 10, lambda *_: "EST")
    quantities = {row[0] for row in rng.sample([row for row in rows if row[-1] == ""], 200)}
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    sheet.append(US_HEADINGS)
    for row in finish(rng, rows):
        phone = int(trunkless(row[2])) if row[0] in quantities else row[2]
        sheet.append([int(row[0]), row[1], phone, *row[3:]])
    save(book, path)


def save(book: openpyxl.Workbook, path: Path) -> None:
    """Save a workbook without today's date in it, so that making it again gives the same file."""
    draft = io.BytesIO()
    book.save(draft)
    with zipfile.ZipFile(draft) as made, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as kept:
        for part in made.infolist():
            data = made.read(part)
            if part.filename == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2026-03-01T00:00:00Z", data)
            info = zipfile.ZipInfo(part.filename, STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            kept.writestr(info, data)


def make_all(folder: Path) -> None:
    """Make the four lists in a folder."""
    make_korea(folder / "renewal-kr.csv")
    make_japan(folder / "reminder-jp.csv")
    make_us(folder / "survey-us.xlsx")
    make_uk(folder / "survey-uk.csv")


if __name__ == "__main__":
    make_all(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
