"""Whether something answers elsewhere: asked once and in seconds, where its own client would try for minutes."""

import socket

ANSWER_SECONDS = 10.0


def require_answer(host: str, port: int) -> None:
    """Connect to `host` and let go again.

    Raises:
        OSError: nothing listens there, or no answer comes.
    """
    with socket.create_connection((host, port), timeout=ANSWER_SECONDS):
        return
