"""Which pictures may stand on the page: true images only, and no more than it can carry."""

import re

MOST_CHARACTERS = 1_500_000
IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


class Album:
    """Takes in images until it is full."""

    def __init__(self) -> None:
        self._room = MOST_CHARACTERS

    def admit(self, uri: str | None) -> str | None:
        """The image, or None if it is not one or there is no room for it."""
        if not uri or len(uri) > self._room or not IMAGE.fullmatch(uri):
            return None
        self._room -= len(uri)
        return uri
