"""What OpenSSL says of a connection that cannot be encrypted, as the key of [broker] that mends it.

One rule governs this module: of what may pass by itself it says at most what it would be if it does not.
"""

_NAMES = ("hostname mismatch", "ip address mismatch")
_TIMES = ("has expired", "not yet valid")
_WANTED = ("certificate_required", "certificate required", "handshake_failure")
_CUT = ("connection reset", "eof occurred", "wrong_version_number", "unexpected eof", "record_layer_failure")


def hint_for(said: str, *, is_sealed: bool) -> str | None:
    """Say what to set so that the certificates fit; None when they are not what `said` is about."""
    low = said.lower()
    if "certificate_verify_failed" in low:
        if any(word in low for word in _NAMES):
            return "broker.host has to be a name or an address that the broker's certificate names"
        if any(word in low for word in _TIMES):
            return "renew the broker's certificate, or set this machine's clock"
        return "broker.ca_file has to hold the certificate of the authority that signed the broker's"
    if any(word in low for word in _WANTED):
        return "the broker asks for a certificate of ours: name it in broker.cert_file, and its key in broker.key_file"
    if is_sealed and "alert" in low:
        return "the broker does not take the certificate in broker.cert_file: compare its authority with the broker's"
    return None


def guess_for(said: str, *, is_sealed: bool) -> str | None:
    """Say what it may be when a connection that never stood was cut: one end may encrypt and the other may not."""
    if not any(word in said.lower() for word in _CUT):
        return None
    if is_sealed:
        return "if the broker does not encrypt on this port, name its TLS port in broker.port, or leave ca_file out"
    return "if the broker encrypts, as brokers do on 8883, name its authority's certificate in broker.ca_file"
