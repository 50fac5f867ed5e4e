#!/usr/bin/env python3
"""Tink's own streaming AEAD over files: tink_file.py key KEYSET, or seal|open KEYSET IN OUT."""
import sys

import tink
from tink import secret_key_access, streaming_aead

streaming_aead.register()
action, keyset = sys.argv[1:3]
if action == "key":
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    with open(keyset, "w") as file:
        file.write(tink.json_proto_keyset_format.serialize(
            tink.new_keyset_handle(template), secret_key_access.TOKEN))
    sys.exit(0)
with open(keyset) as file:
    handle = tink.json_proto_keyset_format.parse(file.read(), secret_key_access.TOKEN)
primitive = handle.primitive(streaming_aead.StreamingAead)
with open(sys.argv[3], "rb") as reading, open(sys.argv[4], "wb") as writing:
    if action == "seal":
        with primitive.new_encrypting_stream(writing, b"bench") as sealing:
            while block := reading.read(1 << 20):
                sealing.write(block)
    else:
        with primitive.new_decrypting_stream(reading, b"bench") as opening:
            while block := opening.read(1 << 20):
                writing.write(block)
