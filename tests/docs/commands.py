"""The commands in the fenced examples of a page, as a shell would see them."""

import re
import shlex
from collections.abc import Iterator

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = {"sh", "bash", "shell", "console"}
_ENDS = {"&", "&&", ";", "|", "||"}


def shell_blocks(page: str) -> list[str]:
    return [text for language, text in _FENCE.findall(page) if language in _SHELL]


def commands_of(block: str) -> Iterator[list[str]]:
    """Words of each command; <placeholders> are words, not redirections."""
    joined = re.sub(r"\\\n\s*", " ", block)
    # Quoted texts may have several lines.
    for line in re.findall(r"(?:'[^']*'|[^'\n])+", joined):
        words: list[str] = []
        without_redirections = re.sub(r"\d?>+ ?(?:&\d|[\w.-]+)", "", line)
        lexer = shlex.shlex(without_redirections, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        for word in lexer:
            if word in _ENDS:
                if words:
                    yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words
