"""Why another version did not answer; the receiver then answers itself."""


class PeerError(Exception):
    """The other version failed, or could not be reached."""


class PeerLostError(PeerError):
    """The connection ended before the answer; another pod may answer."""


class PeerRefusesError(PeerError):
    """The other version is well, but refuses this request."""
