"""An identity provider: makes keys, signs tokens with PyJWT, and publishes a key set that it can rotate or break.

Reads a command a line, as JSON, and answers each with a line of JSON. The first line is the port of its key set.
"""

import contextlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

keys = {}
published = []
mode = "set"

MAKE = {
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "PS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "ES384": (lambda: ec.generate_private_key(ec.SECP384R1()), ECAlgorithm),
    "EdDSA": (lambda: ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
}


def jwk(name):
    alg, private = keys[name]
    members = json.loads(MAKE[alg][1].to_jwk(private.public_key()))
    return members | {"kid": name, "alg": alg, "use": "sig"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"keys": [jwk(name) for name in published]}).encode()
        if mode == "hang":
            # The request is answered by nothing until the client hangs up.
            with contextlib.suppress(OSError):
                self.connection.settimeout(30)
                self.connection.recv(1)
            return
        if mode == "redirect":
            self.send_response(302)
            self.send_header("Location", "/moved")
            self.end_headers()
            return
        if mode == "html":
            body = b"<!doctype html><title>Sign in</title>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def obey(command):
    global mode, published
    match command:
        case {"make": name, "alg": alg}:
            keys[name] = (alg, MAKE[alg][0]())
            public = keys[name][1].public_key()
            pem = public.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            return pem.decode()
        case {"publish": names}:
            published = names
        case {"mode": text}:
            mode = text
        case {"sign": name, "claims": claims}:
            alg, private = keys[name]
            headers = {"kid": name} | command.get("headers", {})
            return jwt.encode(claims, private, algorithm=alg, headers=headers)
        case {"secret": secret, "claims": claims}:
            return jwt.encode(claims, secret, algorithm="HS256")
    return None


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps(server.server_port), flush=True)
for line in sys.stdin:
    print(json.dumps(obey(json.loads(line))), flush=True)
