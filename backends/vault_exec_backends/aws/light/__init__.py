"""Carries plain calls without botocore, for a start that costs little: HTTP/1.1, TLS, SigV4, credentials.

What is not plain (`Unusual`) is left to botocore, which is the reference: `aws.choice` decides.
"""

from __future__ import annotations


class Unusual(Exception):  # noqa: N818 - no error: another carrier does it
    """Something that only botocore knows how to do; nothing was done. `str(error)`: what, without values."""
