"""From a log, a page that says what happened when, without blame."""

import sys
from collections import Counter
from pathlib import Path


def main(service: str) -> int:
    path = Path("logs") / f"{service}.log"
    if not path.is_file():
        print(f"There is no log of {service}. There are: {', '.join(log.stem for log in Path('logs').glob('*.log'))}")
        return 3
    lines = [line.split(maxsplit=2) for line in path.read_text().splitlines() if line.strip()]
    levels = Counter(level for _, level, _ in lines)
    for level, count in levels.most_common():
        print(f"{level:6}{count:5}")
    page = [f"# What happened at {service}", "", f"{len(lines)} lines, {levels['ERROR']} errors.", ""]
    page += [f"- **{at}** {text}" for at, level, text in lines if level != "INFO"]
    Path("out").mkdir(exist_ok=True)
    Path("out/timeline.md").write_text("\n".join(page) + "\n")
    print(f"out/timeline.md: {len(page)} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
