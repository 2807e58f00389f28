"""Names that do harm where they are not escaped; every label, question and error may be one."""

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' autofocus onfocus=alert(1) x='",
    "</style></table><svg onload=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)//",
    "$\\frac$",
    "_hidden",
    "=HYPERLINK(1)",
    "a|b`c`[x](javascript:alert(1))",
    "{{7*7}}",
    "\u202egnp\x00\n",
    "x" * 5000,
]
