"""The little XML that S3 and STS answer with, read by expat, which all of Python's XML readers stand on."""

from __future__ import annotations

from vault_exec_backends.aws.errors import Lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Element:
    """name: without its namespace. text: of the element itself."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.children: list[Element] = []

    def all(self, name: str) -> Iterator[Element]:
        return (child for child in self.children if child.name == name)

    def find(self, *path: str) -> Element | None:
        """The first child of that name, its first child of the next name, and so on."""
        found: Element | None = self
        for name in path:
            found = None if found is None else next(found.all(name), None)
        return found

    def value(self, *path: str) -> str | None:
        """The text of what `find` finds."""
        found = self.find(*path)
        return None if found is None else found.text


def parsed(document: bytes) -> Element:
    """The document's root. Raises Lost for what is not XML, and for document types, which AWS never sends."""
    from xml.parsers import expat

    parser = expat.ParserCreate()
    top = Element("")
    open_elements = [top]

    def start(name: str, _: Mapping[str, str]) -> None:
        element = Element(name.rpartition(":")[2])
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        open_elements.pop()

    def text(part: str) -> None:
        open_elements[-1].text += part

    def refuse(*_: object) -> None:
        raise _malformed()

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)
    except expat.ExpatError:
        raise _malformed() from None
    return top.children[0]


def escaped(text: str) -> str:
    """As the text of an element. Raises ValueError for a character that XML does not have."""
    for character in text:
        if (character < " " and character not in "\t\n\r") or character in "\ufffe\uffff":
            raise ValueError(f"U+{ord(character):04X} is no character of XML")
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#xD;")):
        text = text.replace(character, entity)
    return text


def _malformed() -> Lost:
    return Lost("an answer that cannot be read (not XML)", malformed=True)
