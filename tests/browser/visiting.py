"""What a check asks of a page in the browser. Each answer is a list of findings: empty is good."""

from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WIDTHS = (360, 768, 1440)
PAPER = 688
"""What is left of an A4 page between its margins, in CSS pixels."""

MODES = {"light": ("screen", "light"), "dark": ("screen", "dark"), "print": ("print", "dark")}
"""How a page is seen: its media, and what the reader's machine prefers."""


class Visit:
    """One page, open in a window of its own, and everything that it did since."""

    def __init__(self, context: Any, path: Path) -> None:
        self.address = path.as_uri()
        self.requests: list[str] = []
        self.messages: list[str] = []
        self.dialogs: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.goto(self.address)
        # What is folded away is part of the page too.
        self.page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")

    def close(self) -> None:
        """Close the window."""
        self.page.context.close()

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def see(self, mode: str = "light", width: int = 1440) -> None:
        """Look at the page in a mode and a width in CSS pixels."""
        media, scheme = MODES[mode]
        self.page.emulate_media(media=media, color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": 900})

    def noise(self) -> list[str]:
        """Give every request but the one for the page, every message and every dialog."""
        asked = [f"request {url}" for url in self.requests if url != self.address]
        if self.address not in self.requests:
            asked.append("the page itself was not asked for")
        return [*asked, *self.messages, *(f"dialog {text}" for text in self.dialogs)]

    def overflow(self, mode: str, width: int) -> list[str]:
        """Give what is wider than the page, and what is cut off."""
        self.see(mode, width)
        found: list[str] = self.page.evaluate(_script("overflow"), {"isPrint": mode == "print"})
        return found

    def pale(self, mode: str) -> list[str]:
        """Give every text with a contrast below 4.5 (WCAG 2.2, 1.4.3, for text of any size)."""
        self.see(mode)
        given = {"bound": 4.5, "isPrint": mode == "print"}
        seen = self.page.evaluate(_script("contrast"), given)
        return [*seen["found"], *([] if seen["looked"] > 30 else ["too little text was seen"])]

    def axe(self, source: str, mode: str) -> list[str]:
        """Give what axe-core finds, all its rules on."""
        self.see(mode)
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(f"{source}; 0")
        result = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        if not result["passes"]:
            return ["axe-core passed no rule: it did not look"]
        return [
            f"{each['id']}: {node['html'][:160]}"
            for each in result["violations"]
            for node in each["nodes"]
        ]

    def aloud(self) -> dict[str, list[str]]:
        """Give the names in the accessibility tree, by role."""
        self.see()
        session = self.page.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        names: dict[str, list[str]] = {}
        for node in nodes:
            if not node.get("ignored"):
                name = " ".join(str(node.get("name", {}).get("value", "")).split())
                names.setdefault(node["role"]["value"], []).append(name)
        return names

    def texts(self, selector: str, attribute: str = "") -> list[str]:
        """Give what the elements of a selector say, or one of their attributes."""
        found = self.page.eval_on_selector_all(
            selector,
            "(all, name) => all.map(e => name ? e.getAttribute(name) ?? '' : e.innerText)",
            attribute,
        )
        return [" ".join(text.split()) for text in found]


def _script(name: str) -> str:
    return (HERE / f"{name}.js").read_text()
