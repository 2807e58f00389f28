"""The README as what it is made of: blocks of code, commands, links, the tree."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the heading above it."""

    language: str
    text: str
    heading: str

    @property
    def file(self) -> str:
        """The file that a Python block is: what its docstring names, or none."""
        named = re.match(r'"""(\w+\.py)"""\n', self.text)
        return named[1] if named else ""

    @property
    def commands(self) -> list[str]:
        """The commands of a block for the shell, without comments."""
        lines = (re.sub(r"(^|\s+)#.*", "", line).strip() for line in self.text.splitlines())
        return [line for line in lines if line]


def blocks(readme: str = README) -> list[Block]:
    """Give the fenced blocks, in order."""
    found, heading = [], ""
    for match in re.finditer(
        r"^#+ ([^\n]*)$|^```(\w*)\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL
    ):
        if match[1] is not None:
            heading = match[1]
        else:
            found.append(Block(match[2], match[3], heading))
    return found


def prose(readme: str = README) -> str:
    """Give what is no block."""
    return re.sub(r"^```.*?^```$", "", readme, flags=re.MULTILINE | re.DOTALL)


def inline_commands(readme: str = README) -> list[str]:
    """Give the commands that stand in the prose."""
    spans = re.findall(r"`([^`]+)`", prose(readme))
    return [" ".join(s.split()) for s in spans if re.match(r"(longdep|make|python|pip) ", s)]


def links(readme: str = README) -> list[str]:
    """Give what the prose links to and shows."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(readme))


def tree(readme: str = README) -> list[tuple[str, str]]:
    """Give the paths (or patterns) of the tree, each with its phrase."""
    block = next(b for b in blocks(readme) if b.heading == "The tree")
    found, folder = [], ""
    for line in block.text.splitlines():
        indent, names, phrase = re.fullmatch(r"( *)(\S+(?: \S+)*?)(?:  +(.+))?", line).groups()
        if indent and len(indent) > 2:
            continue  # a phrase that goes on
        for name in names.split():
            found.append((name if not indent else f"{folder}{name}", phrase or ""))
        if not indent:
            folder = names.split()[0]
    return found
