"""Google Tink's streaming AEAD from a raw key, by PyPI `tink` alone: none of our code is in it."""
import base64
import io
import json

import tink
from tink import secret_key_access, streaming_aead

TYPE = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
SHA256 = 3  # google.crypto.tink.HashType

streaming_aead.register()


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def primitive(key, segment):
    # AesGcmHkdfStreamingKey { 2: params { 1: segment, 2: derived key size, 3: hash }, 3: key }
    params = b"\x08" + varint(segment) + b"\x10" + varint(32) + b"\x18" + varint(SHA256)
    proto = b"\x12" + varint(len(params)) + params + b"\x1a" + varint(len(key)) + key
    keyset = json.dumps({"primaryKeyId": 1, "key": [{
        "keyData": {"typeUrl": TYPE, "keyMaterialType": "SYMMETRIC",
                    "value": base64.b64encode(proto).decode()},
        "outputPrefixType": "RAW", "keyId": 1, "status": "ENABLED"}]})
    handle = tink.json_proto_keyset_format.parse(keyset, secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class Kept(io.BytesIO):
    """Tink closes its destination; the bytes are kept."""

    def close(self):
        self.bytes = self.getvalue()
        super().close()


def encrypt(key, segment, aad, plaintext):
    kept = Kept()
    with primitive(key, segment).new_encrypting_stream(kept, aad) as stream:
        stream.write(plaintext)
    return kept.bytes


def decrypt(key, segment, aad, ciphertext):
    with primitive(key, segment).new_decrypting_stream(io.BytesIO(ciphertext), aad) as stream:
        return stream.read()
