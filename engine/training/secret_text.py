"""What must not be kept of code, differences and variables, because it may be a secret.

Provenance is kept for long and shown to others. Of files whose names suggest a secret only the name is kept; in what is
kept, values are replaced by `***` where the name that they are given to, or their own form, suggests one. Rather too
much is replaced than too little: the text is for people to read, and is never run.
"""

from __future__ import annotations

import fnmatch
import re
from itertools import pairwise
from pathlib import PurePath

__all__ = ["HIDDEN", "SECRET_NAMES", "has_secret_name", "is_secret_variable", "masked", "masked_value"]

HIDDEN = "***"

# fmt: off
SECRET_NAMES = (
    ".env*", "*.env", "*secret*", "*credential*", "*password*", "*passwd*", "*token*", "*.pem", "*.key", "*.p12",
    "*.pfx", "*.jks", "*.keystore", "*.ppk", "*.asc", "*.gpg", "*.kdbx", "id_rsa*", "id_dsa*", "id_ecdsa*",
    "id_ed25519*", ".netrc", "_netrc", ".pgpass", ".htpasswd", ".npmrc", ".pypirc", ".git-credentials", ".ssh", ".aws",
    ".gnupg", ".kube",
)
"""Names of files and folders whose contents are not kept, in any case of letters."""

_HARMLESS = ("*tokeni[sz]*",)  # a part of a language model, and no secret

_SECRET_WORDS = frozenset({
    "secret", "secrets", "token", "tokens", "password", "passwords", "passwd", "passphrase", "pass", "pwd", "pw", "pin",
    "credential", "credentials", "auth", "authorization", "jwt", "cookie", "cookies", "apikey", "accesskey",
    "secretkey", "privatekey", "bearer", "signature",
})
_WORDS_BEFORE_KEY = frozenset({
    "api", "access", "secret", "private", "auth", "encryption", "encrypt", "ssh", "account", "license", "master",
    "signing", "service", "client", "deploy", "shared", "storage", "subscription", "app", "application", "consumer",
    "write", "admin",
})
_NO_SECRETS = frozenset({
    "", "str", "int", "float", "bool", "bytes", "any", "none", "null", "true", "false", "optional", "self", HIDDEN,
})
# fmt: on

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NUMBER = re.compile(r"[-+]?[\d_.]+(?:e[-+]?\d+)?", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"""(?<![\w.])(?P<name>[A-Za-z_][\w.-]{0,100})["']?\]?
        (?:[ \t]*:[ \t]*[\w.\[\]]{1,60}(?:[ ]\|[ ][\w.\[\]]{1,60}){0,4}(?=[ \t]*=[^=]))?  # a type in Python
        [ \t]*(?P<sign>=>|:=|[=!]=|[:=])[ \t]*
        (?:[(\\]?[ \t]*\n[-+ ]?[ \t]*(?=[rbfuRBFU]{0,2}["']))?  # a text that begins on the next line
        (?:[rbfuRBFU]{1,2}(?=["']))?
    """,
    re.VERBOSE,
)
_TEXT = re.compile(
    r"""(\"{3}|'{3})(?P<long>.*?)(?:\1|\Z|(?=\n))|(["'])(?P<inner>(?:\\.|(?!\3)[^\\\n])*)(?:\3|(?=\n)|\Z)""", re.VERBOSE
)
_REST = re.compile(r"[^\n]{0,400}")
_FIRST = re.compile(r"[^\s,;)\]}\"']*")
_EXPRESSION = re.compile(
    r"[\w.]*[(\[{]|\S+[ \t]+[-+*/%][ \t]+\S|(?:os|self|cls|args|config|cfg|kwargs|settings)\b[.\[]|lambda\b|not\s"
)
_ELEMENT = re.compile(r"<([\w.:-]+)>([^<>\n]+)(?=</\1>)")
_FLAG = re.compile(r"(?<![\w-])(?P<name>--?[A-Za-z][\w-]{0,60})(?P<between>[ \t]+)(?P<value>[^\s\"'-][^\s\"']*)")
_BLOCK = re.compile(
    r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----).*?(-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_LONGEST_LINE = re.compile(r"[^\n]{2000,}")  # data, not code: no one reads it, and looking through it takes long
_LONG_LINE = re.compile(
    r"^([-+ ]?[ \t]*[\"']?)(?=[^\n]*[a-z])(?=[^\n]*[A-Z])(?=[^\n]*\d)[A-Za-z0-9+/]{48,}={0,2}", re.MULTILINE
)
_USER_INFO = re.compile(r"(?<=://)[^\s/@\"']*(?:@[^\s/@\"']*)*@")
_WORD_BEFORE_AT = re.compile(r"(?<![\w/@:])[\w.+-]{1,80}:[^\s@/\"']{1,200}@(?=[\w\[])")
_PARAMETER = re.compile(r"(?<=[?&;])([\w.-]+=)([^&;\s\"'#]+)")
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)(\s+)[A-Za-z0-9._~+/-]{8,}=*")
_KNOWN_FORMS = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
        sk-[\w-]{8,} | [sr]k_(?:live|test)_\w{8,} | gh[opsur]_\w{8,} | github_pat_\w{8,} | gl(?:pat|ptt|dt)-[\w-]{8,}
        | hf_[A-Za-z0-9]{8,} | xox[abeoprs]-[\w-]{8,} | A[KS]IA[0-9A-Z]{12,} | AIza[\w-]{20,} | ya29\.[\w-]{8,}
        | npm_[A-Za-z0-9]{8,} | pypi-[\w-]{8,} | dop_v1_\w{8,}
        | SG\.[\w-]{8,}\.[\w-]{8,} | eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*
    )""",
    re.VERBOSE,
)


def has_secret_name(path: str) -> bool:
    """Whether the name of a file, or of a folder that it is in,  suggests that it holds secrets."""
    parts = PurePath(path.lower()).parts
    return any(
        fnmatch.fnmatchcase(part, pattern)
        for part in parts
        if not any(fnmatch.fnmatchcase(part, harmless) for harmless in _HARMLESS)
        for pattern in SECRET_NAMES
        if not (pattern == "*token*" and part.endswith(".py"))  # more often words of a text than a secret
    )


def is_secret_variable(name: str) -> bool:
    """Whether a variable's name suggests that its value is a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    joined = "".join(words)
    if _SECRET_WORDS & set(words) or any(word in joined for word in ("password", "passwd", "apikey", "secret")):
        return True
    if any(second in ("key", "keys") and first in _WORDS_BEFORE_KEY for first, second in pairwise(words)):
        return True
    return name.isupper() and len(words) > 1 and words[-1] in ("key", "keys")


def masked(text: str) -> str:
    """A text with everything replaced that may be a secret; its lines stay in their places."""
    text = _LONGEST_LINE.sub(HIDDEN, text)
    text = _BLOCK.sub(_without_lines, text)
    text = _LONG_LINE.sub(rf"\1{HIDDEN}", text)
    text = _in_addresses(text)
    text = _BEARER.sub(rf"\1\2{HIDDEN}", text)
    text = _in_assignments(text)
    text = _ELEMENT.sub(lambda found: f"<{found[1]}>{HIDDEN if is_secret_variable(found[1]) else found[2]}", text)
    text = _FLAG.sub(_flag, text)
    return _KNOWN_FORMS.sub(HIDDEN, text)


def masked_value(value: str) -> str:
    """The value of a variable with everything replaced that may be a secret."""
    return _KNOWN_FORMS.sub(HIDDEN, _BEARER.sub(rf"\1\2{HIDDEN}", _in_addresses(value)))


def _in_addresses(text: str) -> str:
    text = _WORD_BEFORE_AT.sub(f"{HIDDEN}@", _USER_INFO.sub(f"{HIDDEN}@", text))
    return _PARAMETER.sub(
        lambda found: found[1] + (HIDDEN if is_secret_variable(found[1]) or found[1] == "key=" else found[2]), text
    )


def _without_lines(found: re.Match[str]) -> str:
    """A block with its first and last line, and as many lines between them as it has."""
    lines = found[0].count("\n")
    return found[1] + (f"\n{HIDDEN}" * (lines - 1) + "\n" if lines else HIDDEN) + found[2]


def _in_assignments(text: str) -> str:
    """A text whose names that suggest secrets are given no value."""
    kept: list[str] = []
    done = 0
    here = 0
    while (found := _ASSIGNED.search(text, here)) is not None:
        here = found.end()
        quoted = _TEXT.match(text, here)
        if quoted is not None:
            begin, end = quoted.span("inner" if quoted["inner"] is not None else "long")
            hidden = _is_secret(found["name"], text[begin:end])
        else:
            begin, end = _bare_value(text, here, found["sign"])
            hidden = _is_secret(found["name"], text[begin:end]) and not _EXPRESSION.match(text[begin : begin + 400])
        if hidden and end > begin:
            kept += [text[done:begin], HIDDEN]
            done = here = end
    return "".join(kept) + text[done:]


def _bare_value(text: str, begin: int, sign: str) -> tuple[int, int]:
    """Where a value without quotes stands: a word, or after a colon the line where it is no part of a longer list."""
    rest = _REST.match(text, begin)
    first = _FIRST.match(text, begin)
    assert rest is not None
    assert first is not None
    if sign == ":" and not any(mark in rest[0] for mark in ",)=\"'"):
        return begin, begin + len(rest[0].rstrip())
    return first.span()


def _flag(found: re.Match[str]) -> str:
    hidden = _is_secret(found["name"], found["value"])
    return found["name"] + found["between"] + (HIDDEN if hidden else found["value"])


def _is_secret(name: str, value: str) -> bool:
    bare = value.strip().rstrip(",;:)]}").strip()
    if bare.lower() in _NO_SECRETS or bare.startswith(HIDDEN):
        return False
    if len(bare) > 2 and name.lower().endswith(bare.lower()):  # `self.token = token` says no more than its name
        return False
    if is_secret_variable(name):
        words = {word.lower() for word in _WORD.findall(name)}
        # Language models have tokens too: counts, ids, and signs such as <pad>.
        about_text = bool({"token", "tokens"} & words) and (_NUMBER.fullmatch(bare) or bare[:1] in "<[")
        return not about_text
    last = (_WORD.findall(name) or [""])[-1].lower()
    if last not in ("key", "keys"):
        return False
    return len(bare) >= 12 and bool(re.search(r"\d", bare)) and bool(re.fullmatch(r"[\w+/=.-]+", bare))
